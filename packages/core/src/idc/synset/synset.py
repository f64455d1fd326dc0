"""The condensed dataset: the stored codes and the decoded training images."""

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

from idc.config.groups import Groups, known_by_class
from idc.config.pipeline import Pipeline
from idc.data.fingerprint import digest
from idc.data.split import Split
from idc.data.torch_dataset import LabelledImages
from idc.errors import InputError, explain
from idc.files.atomic import write_atomically
from idc.files.tensorfile import write_tensors
from idc.kinds import Decoder, registry
from idc.kinds.evaluation import Evaluation
from idc.kinds.stage import Stage
from idc.shapes import Batch, ClassNumbers, Codes, Images, Labels
from idc.spec import ImageSpec
from idc.synset import header as headers
from idc.synset.codes import SOFT_LABELS, budget, decode, decode_class
from idc.synset.header import Header
from idc.synset.overview import overview, scores_beside
from idc.synset.provenance import Computed, versions


@dataclass(frozen=True, eq=False)
class Synset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """A synthetic dataset: a map-style PyTorch dataset of decoded images and labels, which may be soft."""

    header: Header
    decoder: Decoder
    codes: Codes
    """The stored tensors, on the CPU."""
    file: Path | None = None
    """That it was loaded from."""

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
            pipeline: that made it.
            codes: stored tensors (`Decoder.for_storage`), on the CPU.
            spec: image format of the dataset.
            iterations: outer iterations done.
            fingerprint: of the training split.
            computed: how it was computed.
            seconds: wall-clock seconds of the condensation.
            commit: of the working directory's git repository.
        """
        decoder = pipeline.decoder.for_evaluation()
        # Not of all, which may not fit into memory: every class has as many.
        first = decode_class(decoder, codes, 0, pipeline.images_per_class, spec)
        header = Header(
            pipeline=pipeline.table(),
            spec=spec,
            iterations=iterations,
            budget=budget(codes),
            images=len(first) * len(spec.classes),
            labels="soft" if SOFT_LABELS in codes or first.labels.is_floating_point() else "hard",
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
            InputError: no such file, it is damaged or not a synset, or its decoder is not installed.
        """
        path = headers.locate(Path(path))
        header = headers.read(path).header
        try:
            codes = load_file(path)
            if budget(codes) != header.budget or not 0 < _stored(header) <= header.budget:
                raise InputError(
                    f"{path}: damaged; the header declares {header.budget:,} numbers for {_stored(header):,} "
                    f"stored images, but the file has {budget(codes):,}; copy or create it again"
                )
            if header.tensors is not None and digest(codes) != header.tensors:
                raise InputError(
                    f"{path}: damaged; the hash of its tensors differs from that in the header; copy or "
                    "create it again"
                )
            synset = cls(header, _decoder(path, header), codes, path.absolute())
            images = synset.images
        except InputError:
            raise
        except (LookupError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{path}: damaged; the stored tensors do not match the header ({error!r}); copy or create it "
                "again"
            ) from error
        if not _labelled(synset):
            raise InputError(
                f"{path}: damaged; the stored tensors do not decode to a label for each of {header.images} "
                f"images in {len(header.spec.classes)} classes; copy or create it again"
            )
        if images.shape != (header.images, *header.spec.shape) or not bool(images.isfinite().all()):
            raise InputError(
                f"{path}: damaged; the stored tensors do not decode to {header.images} finite images of "
                f"shape {header.spec.shape}, as the header declares; copy or create it again"
            )
        return synset

    def save(self, path: str | Path) -> None:
        """Write the synset as a safetensors file, atomically."""
        write_atomically(Path(path), lambda file: write_tensors(file, self.codes, self.header))

    @property
    def name(self) -> str:
        """Name of the synset in reports: the pipeline's ``method``."""
        return str(self.header.pipeline["method"])

    @property
    def spec(self) -> ImageSpec:
        """Image format, as in the condensed dataset."""
        return self.header.spec

    def known_by_class(self) -> list[frozenset[int]]:
        """For each class, the classes whose real images its codes may depend on."""
        groups = self.header.pipeline.get("groups")
        return known_by_class(Groups.model_validate(groups) if groups else None, self.header.spec)

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that made it, with every stage resolved.

        Raises:
            InputError: one of its stages is not installed here.
        """
        return Pipeline.parse(self.header.pipeline)

    @property
    def images(self) -> Images:
        """Decoded images in the dataset's value range, sorted by class."""
        return self._batch.images

    @property
    def labels(self) -> Labels:
        """Labels of the decoded images: class numbers (n,), or soft labels (n, classes)."""
        return self._batch.labels

    @property
    def class_numbers(self) -> ClassNumbers:
        """The class of each image, even if its label is soft."""
        classes = len(self.spec.classes)
        return torch.arange(classes).repeat_interleave(len(self) // classes)

    @property
    def matched_per_class(self) -> int:
        """Number of training images per class while matching."""
        stored = int(self.header.pipeline["images_per_class"])
        return len(decode_class(self.decoder, self.codes, 0, stored, self.spec))

    def split(self) -> Split:
        """The decoded images as a split."""
        return Split(self.images, self.labels, self.spec)

    def dataset(
        self, transform: Callable[[Any], Any] | None = None, *, normalized: bool = True, pil: bool = False
    ) -> LabelledImages:
        """The decoded images as a PyTorch dataset; see `LabelledImages`.

        Args:
            transform: of each image, as for torchvision's datasets.
            normalized: whether images are normalised by mean and standard deviation, after the transform.
            pil: whether the transform expects PIL images.
        """
        return self.split().dataset(transform, normalized=normalized, pil=pil)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.spec.shape))
        return (
            f"<Synset {self.name!r}: {len(self)} images of {shape} in {len(self.spec.classes)} classes, "
            f"{self.header.budget:,} stored numbers>"
        )

    @property
    def scores(self) -> tuple[Evaluation, ...]:
        """Of a run's synset that was loaded, those of the run's report."""
        return scores_beside(self.file, self.header) if self.file else ()

    def _repr_html_(self) -> str:
        """Some of its images, what it stores and how it was made, for notebooks."""
        return overview(self.header, self.decoder.label(), self.images, self.class_numbers, self.scores)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """An image (channels, height, width) in the dataset's value range; its label, () or (classes,)."""
        return self.images[index], self.labels[index]

    @cached_property
    def _batch(self) -> Batch:
        per_class = int(self.header.pipeline["images_per_class"])
        batch = decode(self.decoder.for_evaluation(), self.codes, per_class, self.spec)
        return Batch(batch.images.clamp(self.spec.low, self.spec.high), batch.labels)


def _labelled(synset: Synset) -> bool:
    labels, classes = synset.labels, len(synset.spec.classes)
    shape = (len(synset.images), classes) if labels.is_floating_point() else (len(synset.images),)
    return labels.shape == shape and not len(labels) % classes and bool(labels.isfinite().all())


def _stored(header: Header) -> int:
    return int(header.pipeline["images_per_class"]) * len(header.spec.classes)


def _decoder(path: Path, header: Header) -> Decoder:
    try:
        return Decoder.model_validate(header.pipeline["decoder"])
    except ValidationError as error:
        made_with = ", ".join(f"{name} {version}" for name, version in header.versions.items())
        raise InputError(
            f"{path}: its decoder is not available here; install what it was made with ({made_with})\n"
            f"{explain(error)}"
        ) from error


def _distributions(pipeline: Pipeline) -> dict[str, str]:
    # Includes plugins, so that an error can name the one to install.
    stages = [value for _, value in pipeline if isinstance(value, Stage)] + list(pipeline.augment)
    found = (registry.distribution(stage.group, stage.type) for stage in stages)
    return dict(each for each in found if each)
