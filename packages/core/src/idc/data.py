"""Real images: a split is one tensor on one device."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from pydantic import ValidationError
from torch import Tensor

from idc.errors import InputError, explain
from idc.shapes import Batch, Images, Indices, Labels, Pixels, StoredImages
from idc.spec import ImageSpec


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images of which every position is equally cheap to read."""

    pixels: Pixels
    """Bytes 0…255 for values 0…1, or floats in the dataset's value range."""
    labels: Labels
    spec: ImageSpec

    def __len__(self) -> int:
        return len(self.labels)

    def images(self, indices: Indices | None = None) -> Images:
        """Images in the dataset's value range.

        Args:
            indices: which; all by default.
        """
        pixels = self.pixels if indices is None else self.pixels[indices]
        return pixels.float().div_(255) if pixels.dtype == torch.uint8 else pixels

    def batch(self, indices: Indices | None = None) -> Batch:
        """Images in the dataset's value range with their labels.

        Args:
            indices: which; all by default.
        """
        return Batch(self.images(indices), self.labels if indices is None else self.labels[indices])

    def at(self, indices: Indices) -> "Split":
        """Some of the images, as they are kept."""
        return Split(self.pixels[indices], self.labels[indices], self.spec)

    @cached_property
    def members(self) -> list[Indices]:
        """Positions of each class's images, in the order of the files, on the CPU."""
        labels = self.labels.cpu()
        return [torch.nonzero(labels == label).flatten() for label in range(len(self.spec.classes))]

    def first_of_each_class(
        self, order: list[Indices], images_per_class: int, of_each: int, purpose: str
    ) -> StoredImages:
        """The images that come first in each class's order.

        Args:
            order: positions of each class's images.
            images_per_class: stored images of a class.
            of_each: real images for each stored one.
            purpose: says in messages what they are for.

        Raises:
            InputError: a class has fewer than ``images_per_class · of_each``.
        """
        count = images_per_class * of_each
        for label, chosen in enumerate(order):
            if len(chosen) < count:
                most = len(chosen) // of_each
                raise InputError(
                    f"images_per_class: class {self.spec.classes[label]!r} has {len(chosen)} training "
                    f"images, but {purpose} takes {count}, {of_each} for each of {images_per_class} stored; "
                    + (f"allowed are 1 to {most}, or " if most else "")
                    + 'start from [init] type = "noise"'
                )
        return torch.stack([self.images(chosen[:count]) for chosen in order])

    def to(self, device: torch.device) -> "Split":
        """The split with its tensors on a device; itself if they are there."""
        pixels, labels = self.pixels.to(device), self.labels.to(device)
        # The same object, so that its members and fingerprint are computed once.
        there = pixels is self.pixels and labels is self.labels
        return self if there else replace(self, pixels=pixels, labels=labels)

    def fingerprint(self) -> str:
        """SHA-256 over images and labels: two splits with the same one hold the same data."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for tensor in (self.pixels, self.labels):
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class RealData:
    """A dataset: what is condensed, and what scores are taken on."""

    train: Split
    test: Split

    @property
    def spec(self) -> ImageSpec:
        """What an image is, in both splits."""
        return self.train.spec

    def to(self, device: torch.device) -> "RealData":
        """Both splits on a device."""
        return RealData(self.train.to(device), self.test.to(device))


def from_bytes(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    classes: tuple[str, ...],
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> RealData:
    """A dataset of byte images.

    Args:
        train: images (n, channels, height, width) as bytes, and labels (n,).
        test: likewise.
        classes: names, in the order of the labels.
        mean: for each channel, in 0…1; computed from the training images unless given.
        std: likewise.

    Raises:
        InputError: there is one class only, a class has no training images, there are no test images, all
            pixels are the same, or mean or std do not fit.
    """
    _refuse_lacking(train, test, classes)
    computed = _statistics(train[0])
    return _described(train, test, classes, computed, mean, std, low=0.0, high=1.0)


def from_values(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    classes: tuple[str, ...],
    *,
    low: float,
    high: float | None = None,
) -> RealData:
    """A dataset of images in their own value range, such as log spectrograms.

    Args:
        train: images (n, channels, height, width) as floats, and labels (n,).
        test: likewise.
        classes: names, in the order of the labels.
        low: lowest value.
        high: highest value; none by default.

    Raises:
        InputError: there is one class only, a class has no training images, there are no test images, or all
            values are the same.
    """
    _refuse_lacking(train, test, classes)
    values = train[0].double().transpose(0, 1).flatten(1)
    computed = tuple(values.mean(1).tolist()), tuple(values.std(1, correction=0).tolist())
    return _described(train, test, classes, computed, None, None, low=low, high=high)


def _refuse_lacking(
    train: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], classes: tuple[str, ...]
) -> None:
    if len(test[0]) == 0:
        raise InputError("dataset: the test split has no images; networks are scored on them")
    absent = set(range(len(classes))) - set(train[1].unique().tolist())
    if absent:
        raise InputError(
            f"dataset: class {classes[min(absent)]!r} has no training images; add some, or remove the class"
        )
    if len(classes) < 2:
        raise InputError(
            f"dataset: there is one class only, {', '.join(classes)!r}; networks tell two or more apart"
        )


def _described(
    train: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    classes: tuple[str, ...],
    computed: tuple[tuple[float, ...], tuple[float, ...]],
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    *,
    low: float,
    high: float | None,
) -> RealData:
    computed_mean, computed_std = computed
    if std is None and min(computed_std) == 0:
        channel = computed_std.index(0)
        raise InputError(
            f"dataset: every training pixel of channel {channel} has the same value, "
            f"{computed_mean[channel]:g}; give mean and std in [dataset], or other images"
        )
    _, channels, height, width = train[0].shape
    try:
        spec = ImageSpec(
            channels=channels,
            height=height,
            width=width,
            classes=classes,
            low=low,
            high=high,
            mean=computed_mean if mean is None else mean,
            std=computed_std if std is None else std,
        )
    except ValidationError as error:
        raise InputError(f"dataset: {explain(error)}") from None
    return RealData(Split(*train, spec), Split(*test, spec))


def _statistics(pixels: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    # From the histogram of byte values: exact, and without a float copy of the dataset.
    values = torch.arange(256, dtype=torch.float64) / 255
    counts = [torch.bincount(channel.flatten(), minlength=256).double() for channel in pixels.unbind(1)]
    shares = [count / count.sum() for count in counts]
    means = [float((share * values).sum()) for share in shares]
    deviations = [
        float((share * (values - mean) ** 2).sum().sqrt()) for share, mean in zip(shares, means, strict=True)
    ]
    return tuple(means), tuple(deviations)
