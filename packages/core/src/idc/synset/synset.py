"""The condensed dataset: what is stored, and what a network is trained on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.data.torch_dataset import LabelledImages
from idc.errors import InputError, explain
from idc.files.atomic import write_atomically
from idc.files.tensorfile import write_tensors
from idc.kinds import Decoder, registry
from idc.kinds.stage import Stage
from idc.shapes import Batch, ClassNumbers, Codes, Images, Labels
from idc.spec import ImageSpec
from idc.synset import header as headers
from idc.synset.codes import budget, decode, decode_class, digest
from idc.synset.header import Header
from idc.synset.provenance import Computed, versions


@dataclass(frozen=True, eq=False)
class Synset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """A synthetic dataset: a map-style PyTorch dataset of decoded images and labels, which may be soft."""

    header: Header
    decoder: Decoder
    codes: Codes
    """The stored tensors, on the CPU."""

    @classmethod
    def of(
        cls,
        pipeline: Pipeline,
        codes: Codes,
        spec: ImageSpec,
        *,
        iterations: int,
        fingerprint: str,
        computed: Computed | None = None,
        seconds: float | None = None,
        commit: str | None = None,
    ) -> "Synset":
        """A synset with its header.

        Args:
            pipeline: what made it.
            codes: stored tensors on the CPU.
            spec: the images of the dataset condensed.
            iterations: outer iterations done.
            fingerprint: of the training split condensed.
            computed: how.
            seconds: wall-clock seconds that it took.
            commit: of the repository it was made in.
        """
        decoder = pipeline.decoder.for_evaluation()
        images = decode(decoder, codes, pipeline.images_per_class, len(spec.classes)).images
        header = Header(
            pipeline=pipeline.table(),
            spec=spec,
            iterations=iterations,
            budget=budget(codes),
            images=len(images),
            fingerprint=fingerprint,
            versions=versions() | _distributions(pipeline),
            computed=computed,
            tensors=digest(codes),
            seconds=None if seconds is None else round(seconds, 3),
            commit=commit,
        )
        return cls(header, pipeline.decoder, codes)

    @classmethod
    def load(cls, path: str | Path) -> "Synset":
        """Read a synset file.

        Args:
            path: the file, or the run folder that holds it.

        Raises:
            InputError: there is none, it is damaged or not a synset, or its decoder is not installed.
        """
        path = headers.locate(Path(path))
        header = headers.read(path).header
        try:
            codes = load_file(path)
            if budget(codes) != header.budget or not 0 < _stored(header) <= header.budget:
                raise InputError(
                    f"{path}: damaged; the header says {header.budget:,} numbers for {_stored(header):,} "
                    f"stored images, and the file has {budget(codes):,}"
                )
            if header.tensors is not None and digest(codes) != header.tensors:
                raise InputError(
                    f"{path}: damaged; its tensors are not those that were written (their hash differs)"
                )
            synset = cls(header, _decoder(path, header), codes)
            images = synset.images
        except InputError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(f"{path}: the stored tensors do not fit the header ({error!r})") from error
        if images.shape != (header.images, *header.spec.shape) or not bool(images.isfinite().all()):
            raise InputError(
                f"{path}: the stored tensors do not decode to {header.images} finite images of "
                f"{header.spec.shape}, as the header says; the file is damaged"
            )
        return synset

    def save(self, path: str | Path) -> None:
        """Write the synset as safetensors; the file is whole or not there."""
        write_atomically(Path(path), lambda file: write_tensors(file, self.codes, self.header))

    @property
    def name(self) -> str:
        """What the synset is called in reports: the pipeline's method."""
        return str(self.header.pipeline["method"])

    @property
    def spec(self) -> ImageSpec:
        """What an image is, as in the dataset condensed."""
        return self.header.spec

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that made it, with every stage resolved.

        Raises:
            InputError: one of its stages is not installed here.
        """
        return Pipeline.parse(self.header.pipeline)

    @property
    def images(self) -> Images:
        """Decoded images in the dataset's value range, class after class."""
        return self._batch.images

    @property
    def labels(self) -> Labels:
        """Their labels: class numbers (n,), or soft labels (n, classes)."""
        return self._batch.labels

    @property
    def class_numbers(self) -> ClassNumbers:
        """The class that each image was synthesised for, also where its label is soft."""
        classes = len(self.spec.classes)
        return torch.arange(classes).repeat_interleave(len(self) // classes)

    @property
    def matched_per_class(self) -> int:
        """Training images of a class that the codes decode to while matching."""
        stored = int(self.header.pipeline["images_per_class"])
        return len(decode_class(self.decoder, self.codes, 0, stored))

    def split(self) -> Split:
        """The decoded images as a split, to train on."""
        return Split(self.images, self.labels, self.spec)

    def dataset(
        self, transform: Callable[[Any], Any] | None = None, *, normalized: bool = True, pil: bool = False
    ) -> LabelledImages:
        """The decoded images for PyTorch's data loaders, normalised unless asked otherwise.

        Args:
            transform: as torchvision's datasets take it; see `LabelledImages`, as for the others.
            normalized: by mean and standard deviation, after the transform.
            pil: whether the transform takes PIL images.
        """
        return self.split().dataset(transform, normalized=normalized, pil=pil)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.spec.shape))
        return (
            f"<Synset {self.name!r}: {len(self)} images of {shape} in {len(self.spec.classes)} classes, "
            f"{self.header.budget:,} stored numbers>"
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One image (channels, height, width) in the dataset's value range; its label, () or (classes,)."""
        return self.images[index], self.labels[index]

    @cached_property
    def _batch(self) -> Batch:
        per_class = int(self.header.pipeline["images_per_class"])
        batch = decode(self.decoder.for_evaluation(), self.codes, per_class, len(self.spec.classes))
        return Batch(batch.images.clamp(self.spec.low, self.spec.high), batch.labels)


def _stored(header: Header) -> int:
    return int(header.pipeline["images_per_class"]) * len(header.spec.classes)


def _decoder(path: Path, header: Header) -> Decoder:
    try:
        return Decoder.model_validate(header.pipeline["decoder"])
    except ValidationError as error:
        made_with = ", ".join(f"{name} {version}" for name, version in header.versions.items())
        raise InputError(
            f"{path}: its decoder cannot be had here (it was made with {made_with})\n{explain(error)}"
        ) from error


def _distributions(pipeline: Pipeline) -> dict[str, str]:
    # Plugins too, so that whoever lacks one learns what to install.
    stages = [value for _, value in pipeline if isinstance(value, Stage)] + list(pipeline.augment)
    found = (registry.distribution(stage.group, stage.type) for stage in stages)
    return dict(each for each in found if each)
