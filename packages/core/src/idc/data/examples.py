"""Labelled images that need not have been read: what a dataset finds, before any is chosen."""

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
"""One image (channels, height, width): bytes 0…255 for values 0…1, or floats in the dataset's value range."""


class Examples(ABC):
    """Images of a split and their labels.

    Args:
        labels: (n,) class numbers.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def read(self, position: int) -> Example:
        """An image; called from several threads. Whatever it raises means that it is not readable."""

    @abstractmethod
    def name(self, position: int) -> str:
        """What messages call an image."""

    @abstractmethod
    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        """Lines that are others as soon as one of these images is, without reading them all."""


class ArrayExamples(Examples):
    """Images that are in memory, or mapped into it.

    Args:
        pixels: all images.
        labels: theirs.
    """

    def __init__(self, pixels: Pixels, labels: Labels) -> None:
        super().__init__(labels)
        self.pixels = pixels

    def read(self, position: int) -> Example:
        """A row of the tensor."""
        return self.pixels[position]

    def name(self, position: int) -> str:
        """Its number."""
        return f"image {position}"

    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        """A digest of the whole tensor, then the positions."""
        yield hashlib.sha256(as_bytes(self.pixels)).hexdigest()
        yield from map(str, positions)


class FileExamples(Examples):
    """Images that are files.

    Args:
        files: one for each image.
        labels: theirs.
        decode: reads one.
    """

    def __init__(self, files: Sequence[Path], labels: Labels, decode: Callable[[Path], Example]) -> None:
        super().__init__(labels)
        self._files = files
        self._decode = decode

    @classmethod
    def by_class(
        cls, files: Mapping[str, Sequence[Path]], decode: Callable[[Path], Example]
    ) -> "FileExamples":
        """Files of each class, whose label is its place among them."""
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
        """Path, size and time of change of each file."""
        for position in positions:
            file = self._files[position]
            try:
                facts = file.stat()
                yield f"{file.absolute()} {facts.st_size} {facts.st_mtime_ns}"
            # A link to nowhere, say, of which reading it will tell more.
            except OSError:
                yield f"{file.absolute()} cannot be read"


@dataclass(frozen=True, eq=False)
class RawDataset:
    """All images that a dataset has, whether or not they are used."""

    source: str
    """Where it is, for people."""
    classes: tuple[str, ...]
    """Names, in the order of the labels."""
    train: Examples
    test: Examples | None
    """None where there is no split for testing."""
    low: float = 0.0
    """Lowest value of an image."""
    high: float | None = 1.0
    """Highest; None where there is none."""
    content: Content = "picture"


@dataclass(frozen=True, eq=False)
class Part:
    """Some examples, and the label that each is to have."""

    examples: Examples
    positions: Indices
    labels: Labels

    @classmethod
    def whole(cls, examples: Examples) -> "Part":
        """All of them, with their own labels."""
        return cls(examples, torch.arange(len(examples)), examples.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def at(self, kept: Indices) -> "Part":
        """Those at some places of this part, in this order."""
        return replace(self, positions=self.positions[kept], labels=self.labels[kept])

    def of_classes(self, wanted: Sequence[int]) -> "Part":
        """Those with one of these labels; their new label is its place among them."""
        place = {label: new for new, label in enumerate(wanted)}
        relabelled = torch.tensor([place.get(label, -1) for label in self.labels.tolist()], dtype=torch.int64)
        return replace(self, labels=relabelled).at(torch.nonzero(relabelled >= 0).flatten())

    def limited(self, limit: int, classes: Sequence[str], streams: Streams) -> "Part":
        """At most so many of each class, drawn at random; those that are kept stay in their order."""
        kept = [members[order[:limit]] for members, order in self._shuffled(classes, streams)]
        return self.at(torch.cat(kept).sort().values)

    def divided(self, fraction: float, classes: Sequence[str], streams: Streams) -> tuple["Part", "Part"]:
        """Set apart a share of each class, drawn at random, but leave one image of it at least.

        Args:
            fraction: of each class's images, rounded, one at least.
            classes: names, in the order of the labels; a class's draw depends on its own only.
            streams: where they are drawn from.

        Returns:
            What stays and what is set apart, each in the order it had.
        """
        apart: list[Tensor] = []
        for members, order in self._shuffled(classes, streams):
            count = min(max(1, round(fraction * len(members))), len(members) - 1)
            apart.append(members[order[: max(count, 0)]])
        chosen = torch.zeros(len(self), dtype=torch.bool)
        chosen[torch.cat(apart)] = True
        return self.at(torch.nonzero(~chosen).flatten()), self.at(torch.nonzero(chosen).flatten())

    def _shuffled(self, classes: Sequence[str], streams: Streams) -> Iterator[tuple[Indices, Indices]]:
        for label, name in enumerate(classes):
            members = torch.nonzero(self.labels == label).flatten()
            yield members, torch.randperm(len(members), generator=streams.generator(name))
