"""Real images: a split is one tensor, in memory or mapped from a file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import torch
from pydantic import ValidationError
from torch import Tensor

from idc.data.fingerprint import Fingerprint
from idc.data.statistics import BLOCK_SIZE, ChannelStatistics
from idc.data.torch_dataset import LabelledImages
from idc.errors import InputError, explain
from idc.runtime import memory
from idc.shapes import (
    Batch,
    ClassNumbers,
    Images,
    Indices,
    Labels,
    Pixels,
    StoredImages,
    class_numbers,
)
from idc.spec import Content, ImageSpec

MAX_FRACTION_OF_FREE_MEMORY = 0.5
"""Of a GPU, that the pixels of a split may occupy."""


_PARTS: "WeakKeyDictionary[Split, WeakValueDictionary[tuple[int, ...], Split]]" = WeakKeyDictionary()
"""Of splits, by the classes in them; none is kept longer than it is used."""


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images with fast random access."""

    pixels: Pixels
    """uint8 0…255 for values 0…1, or floats in the dataset's value range."""
    labels: Labels
    """On the device of the batches."""
    spec: ImageSpec
    known_fingerprint: str | None = None
    """The fingerprint, if it is known already."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """The device of batches and labels; pixels that do not fit there stay on the CPU."""
        return self.labels.device

    def images(self, indices: Indices | None = None) -> Images:
        """Images in the dataset's value range, on the device.

        Args:
            indices: which; all by default.
        """
        pixels = self.pixels.to(self.device) if indices is None else self._rows(indices)
        return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels

    def batch(self, indices: Indices | None = None) -> Batch:
        """Images in the dataset's value range with their labels, on the device.

        Args:
            indices: which; all by default.
        """
        return Batch(self.images(indices), self.labels if indices is None else self.labels[indices])

    def at(self, indices: Indices) -> "Split":
        """A split of some of the images, on the device."""
        return Split(self._rows(indices), self.labels[indices], self.spec)

    def of_classes(self, labels: Sequence[int]) -> "Split":
        """A split of the images of some classes, which are numbered anew in this order; itself for all.

        It is a copy, the same one as long as any use of it is left: a run and its baselines share it.

        Args:
            labels: numbers of the classes.
        """
        if list(labels) == list(range(len(self.spec.classes))):
            return self
        parts = _PARTS.setdefault(self, WeakValueDictionary())
        if (found := parts.get(tuple(labels))) is not None:
            return found
        names = tuple(self.spec.classes[label] for label in labels)
        spec = self.spec.model_copy(update={"classes": names})
        part = self.relabelled({label: new for new, label in enumerate(labels)}, spec)
        parts[tuple(labels)] = part
        return part

    def relabelled(self, labels: Mapping[int, int], spec: ImageSpec) -> "Split":
        """A split of the images of some classes, in their order, with other labels.

        Args:
            labels: of the wanted classes, by their numbers.
            spec: with the classes that the new labels number.
        """
        kept = torch.cat([self.members[label] for label in labels]).sort().values
        renumbered = torch.zeros(len(self.spec.classes), dtype=torch.int64, device=self.device)
        for old, new in labels.items():
            renumbered[old] = new
        # A copy, where the pixels are: on the CPU if not all fit into a GPU.
        pixels = self.pixels.index_select(0, kept.to(self.pixels.device))
        return Split(pixels, renumbered[class_numbers(self.labels[kept.to(self.device)])], spec)

    def _rows(self, indices: Indices) -> Pixels:
        # pixels[indices] is ten times slower on a CPU: it copies value by value.
        rows = self.pixels.index_select(0, indices.to(self.pixels.device))
        return rows.to(self.device, non_blocking=True)

    def dataset(
        self, transform: Callable[[Any], Any] | None = None, *, normalized: bool = True, pil: bool = False
    ) -> LabelledImages:
        """The images as a PyTorch dataset; see `LabelledImages` for the arguments."""
        on_cpu = self.to(torch.device("cpu"))
        # A method, because other processes get it pickled.
        return LabelledImages(
            on_cpu._image, on_cpu.labels, self.spec, transform, normalized=normalized, pil=pil
        )

    def _image(self, position: int) -> Tensor:
        return self.images(torch.tensor([position]))[0]

    @cached_property
    def members(self) -> list[Indices]:
        """Positions of each class's images, in their original order, on the CPU."""
        labels = class_numbers(self.labels).cpu()
        return [torch.nonzero(labels == label).flatten() for label in range(len(self.spec.classes))]

    def first_of_each_class(
        self, order: list[Indices], count: int, images_per_class: int, purpose: str
    ) -> StoredImages:
        """The first images of each class in a given order.

        Args:
            order: positions of each class's images.
            count: real images of each class.
            images_per_class: stored images per class, for messages.
            purpose: of the images, for messages.

        Raises:
            InputError: a class has fewer than ``count``.
        """
        for label, chosen in enumerate(order):
            if len(chosen) < count:
                most = len(chosen) * images_per_class // count
                raise InputError(
                    f"images_per_class: class {self.spec.classes[label]!r} has {len(chosen)} training "
                    f"images, but {purpose} needs {count} for {images_per_class} stored images; "
                    + (f"set images_per_class to at most {most}, or " if most else "")
                    + 'start from [init] type = "noise"'
                )
        return torch.stack([self.images(chosen[:count]) for chosen in order])

    def to(self, device: torch.device) -> "Split":
        """The split with its batches on a device; itself if they are there already.

        Pixels that do not fit into a GPU's memory stay where they are, and batches are copied.
        """
        labels, pixels = self.labels.to(device), self.pixels
        free = memory.available(device) if device.type == "cuda" else None
        if free is None or pixels.nbytes <= MAX_FRACTION_OF_FREE_MEMORY * free:
            pixels = pixels.to(device)
        # The same object keeps its cached members and fingerprint.
        unchanged = pixels is self.pixels and labels is self.labels
        return self if unchanged else replace(self, pixels=pixels, labels=labels)

    def fingerprint(self) -> str:
        """SHA-256 of images and labels: splits with equal fingerprints have the same data."""
        return self.known_fingerprint or self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        fingerprint = Fingerprint()
        for block in self.pixels.split(BLOCK_SIZE):
            fingerprint.add(block)
        return fingerprint.result(self.labels, tuple(self.pixels.shape[1:]), self.pixels.dtype)


@dataclass(frozen=True, eq=False)
class RealData:
    """A dataset: the split to condense and the split to score on."""

    train: Split
    test: Split

    @property
    def spec(self) -> ImageSpec:
        """Image format of both splits."""
        return self.train.spec

    @classmethod
    def of(
        cls,
        train: tuple[Pixels, Tensor],
        test: tuple[Tensor, Tensor],
        classes: tuple[str, ...],
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        *,
        low: float = 0.0,
        high: float | None = 1.0,
        content: Content = "picture",
        statistics: ChannelStatistics | None = None,
        fingerprints: tuple[str | None, str | None] = (None, None),
    ) -> "RealData":
        """A dataset of images in memory.

        Args:
            train: images (n, channels, height, width), as uint8 for values 0…1 or as floats between ``low``
                and ``high``; and labels (n,).
            test: images and labels of the test split.
            classes: names, in the order of the labels.
            mean: of each channel, between ``low`` and ``high``; computed from the training images by default.
            std: standard deviation of each channel, also computed by default.
            low: lowest value.
            high: highest value; None if unbounded.
            content: what the images show.
            statistics: of the training images, if known already.
            fingerprints: of both splits, if known already.

        Raises:
            InputError: there is only one class, a class has no training images, there are no test images, all
                values of a channel are the same, or mean or std do not fit.
        """
        refuse_incomplete(train[1], test[1], classes)
        statistics = statistics or ChannelStatistics.of(train[0])
        if std is None and min(statistics.std) == 0:
            channel = statistics.std.index(0)
            raise InputError(
                f"dataset: every training pixel of channel {channel} has the same value, "
                f"{statistics.mean[channel]:g}; set dataset.mean and dataset.std, or use other images"
            )
        _, channels, height, width = train[0].shape
        try:
            spec = ImageSpec(
                channels=channels,
                height=height,
                width=width,
                classes=classes,
                content=content,
                low=low,
                high=high,
                mean=statistics.mean if mean is None else mean,
                std=statistics.std if std is None else std,
            )
        except ValidationError as error:
            raise InputError(f"dataset: {explain(error)}") from None
        first, second = fingerprints
        return cls(Split(*train, spec, first), Split(*test, spec, second))

    def to(self, device: torch.device) -> "RealData":
        """Both splits on a device."""
        return RealData(self.train.to(device), self.test.to(device))


def joined(parts: Sequence[Split]) -> Split:
    """All images of several splits of the same shape and classes, which must not be empty.

    Returns:
        The images in the dataset's value range, unless all parts have bytes.
    """
    first = parts[0]
    alike = len({part.pixels.dtype for part in parts}) == 1
    pixels = [part.pixels if alike else part.images() for part in parts]
    return Split(torch.cat(pixels), torch.cat([part.labels for part in parts]), first.spec)


def refuse_incomplete(train: ClassNumbers, test: Tensor, classes: tuple[str, ...]) -> None:
    """Check that both splits are usable.

    Args:
        train: labels of the training split.
        test: labels of the test split.
        classes: names, in the order of the labels.

    Raises:
        InputError: there is only one class, a class has no training images, or there are no test images.
    """
    if len(test) == 0:
        raise InputError(
            "dataset: the test split has no images; add some, because networks are scored on them"
        )
    absent = set(range(len(classes))) - set(train.unique().tolist())
    if absent:
        raise InputError(
            f"dataset: class {classes[min(absent)]!r} has no training images; add some, or select other "
            "classes with dataset.classes"
        )
    if len(classes) < 2:
        raise InputError(f"dataset: there is only one class, {', '.join(classes)!r}; at least two are needed")
