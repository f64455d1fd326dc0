"""Labelled images that are read on demand: what a dataset lists, before selection."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Shaped
from torch import Tensor

from idc.data.fingerprint import as_bytes
from idc.seeding import Streams
from idc.shapes import Indices, Labels, Pixels
from idc.spec import Content

Example = Shaped[Tensor, "_ _ _"]
"""One image (channels, height, width): uint8 0…255 for values 0…1, or floats in the dataset's value range."""


class Examples(ABC):
    """The images of a split, read one by one, and their labels.

    Args:
        labels: (n,) class numbers.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, position: int) -> Example:
        """Read an image; called from several threads. Any exception marks the image as unreadable."""

    @abstractmethod
    def name(self, position: int) -> str:
        """Name of an image in messages."""

    @abstractmethod
    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        """Lines that change whenever one of these images changes; cheaper than reading the images."""


class ArrayExamples(Examples):
    """Images in memory, or memory-mapped.

    Args:
        pixels: all images.
        labels: of the images.
    """

    def __init__(self, pixels: Pixels, labels: Labels) -> None:
        super().__init__(labels)
        self.pixels = pixels

    def read(self, position: int) -> Example:
        """One row of the tensor."""
        return self.pixels[position]

    def name(self, position: int) -> str:
        """The image's number."""
        return f"image {position}"

    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        """A hash of the whole tensor, then the positions."""
        yield hashlib.sha256(as_bytes(self.pixels)).hexdigest()
        yield from map(str, positions)


class FileExamples(Examples):
    """Image files.

    Args:
        files: one per image.
        labels: of the images.
        decode: reads an image from a file.
    """

    def __init__(self, files: Sequence[Path], labels: Labels, decode: Callable[[Path], Example]) -> None:
        super().__init__(labels)
        self._files = files
        self._decode = decode

    @classmethod
    def by_class(
        cls, files: Mapping[str, Sequence[Path]], decode: Callable[[Path], Example]
    ) -> "FileExamples":
        """Files by class; labels follow the order of the mapping."""
        labels = [label for label, found in enumerate(files.values()) for _ in found]
        everything = [file for found in files.values() for file in found]
        return cls(everything, torch.tensor(labels, dtype=torch.int64), decode)

    def read(self, position: int) -> Example:
        """The decoded file."""
        return self._decode(self._files[position])

    def name(self, position: int) -> str:
        """The file's path."""
        return str(self._files[position])

    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        """Path, size and modification time of each file."""
        for position in positions:
            file = self._files[position]
            try:
                facts = file.stat()
                yield f"{file.absolute()} {facts.st_size} {facts.st_mtime_ns}"
            # Such as a broken link; reading it will give the full error.
            except OSError:
                yield f"{file.absolute()} cannot be read"


@dataclass(frozen=True, eq=False)
class RawDataset:
    """All images of a dataset, before selection."""

    source: str
    """Where it is, for messages."""
    classes: tuple[str, ...]
    """Class names, in the order of the labels."""
    train: Examples
    test: Examples | None
    """None if the dataset has no test split."""
    low: float = 0.0
    """Lowest value of a pixel."""
    high: float | None = 1.0
    """Highest value of a pixel; None if unbounded."""
    content: Content = "picture"


@dataclass(frozen=True, eq=False)
class Subset:
    """Selected examples, and their labels within the selected classes."""

    examples: Examples
    positions: Indices
    labels: Labels

    @classmethod
    def whole(cls, examples: Examples) -> "Subset":
        """All examples, with their original labels."""
        return cls(examples, torch.arange(len(examples)), examples.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, kept: Indices) -> "Subset":
        """The examples at these indices of the subset, in this order."""
        return replace(self, positions=self.positions[kept], labels=self.labels[kept])

    def of_classes(self, wanted: Sequence[int]) -> "Subset":
        """The examples with these labels, relabelled by their position in ``wanted``."""
        new_labels = {label: new for new, label in enumerate(wanted)}
        relabelled = torch.tensor(
            [new_labels.get(label, -1) for label in self.labels.tolist()], dtype=torch.int64
        )
        return replace(self, labels=relabelled).at(torch.nonzero(relabelled >= 0).flatten())

    def limited(self, limit: int, classes: Sequence[str], streams: Streams) -> "Subset":
        """At most ``limit`` examples per class, drawn at random, in their original order."""
        kept = [members[order[:limit]] for members, order in self._shuffled(classes, streams)]
        return self.at(torch.cat(kept).sort().values)

    def divided(self, fraction: float, classes: Sequence[str], streams: Streams) -> tuple["Subset", "Subset"]:
        """Hold out a fraction of each class, drawn at random; at least one example of each class remains.

        Args:
            fraction: of each class's examples; rounded, but at least one is held out.
            classes: names, in the order of the labels; each class's draw depends only on its own name.
            streams: of the draws.

        Returns:
            The remaining and the held-out examples, both in their original order.
        """
        held_out: list[Tensor] = []
        for members, order in self._shuffled(classes, streams):
            count = min(max(1, round(fraction * len(members))), len(members) - 1)
            held_out.append(members[order[: max(count, 0)]])
        chosen = torch.zeros(len(self), dtype=torch.bool)
        chosen[torch.cat(held_out)] = True
        return self.at(torch.nonzero(~chosen).flatten()), self.at(torch.nonzero(chosen).flatten())

    def _shuffled(self, classes: Sequence[str], streams: Streams) -> Iterator[tuple[Indices, Indices]]:
        for label, name in enumerate(classes):
            members = torch.nonzero(self.labels == label).flatten()
            yield members, torch.randperm(len(members), generator=streams.generator(name))
