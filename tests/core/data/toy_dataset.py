"""A dataset stage for tests: any images, read one by one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from idc.data.examples import Examples, RawDataset
from idc.shapes import Labels
from idc.stages.datasets.image_dataset import ImageDataset


class Made(Examples):
    """Images that a function makes."""

    def __init__(self, labels: Labels, make: Callable[[int], Tensor]) -> None:
        super().__init__(labels)
        self.reads = 0
        self._make = make

    def read(self, position: int) -> Tensor:
        self.reads += 1
        return self._make(position)

    def name(self, position: int) -> str:
        return f"number {position}"

    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        return map(str, positions)


@dataclass
class Source:
    """What the dataset will find."""

    train: Examples
    test: Examples | None
    classes: tuple[str, ...] = ("cat", "dog", "owl")

    @classmethod
    def of(cls, make: Callable[[int], Tensor], per_class: int = 6) -> "Source":
        """Both splits made by a function of the position; test images are at 1000 and beyond."""
        labels = torch.arange(3).repeat_interleave(per_class)
        return cls(Made(labels, make), Made(labels, lambda position: make(1000 + position)))


class ToyDataset(ImageDataset):
    """Finds what a test says."""

    type: Literal["toy"] = "toy"
    source: ClassVar[Any] = None

    def find(self, root: Path, *, download: bool) -> RawDataset:
        return RawDataset("the test", self.source.classes, self.source.train, self.source.test)


def noise(position: int) -> Tensor:
    """An image of its own for each position."""
    return torch.randint(0, 256, (3, 8, 8), generator=torch.Generator().manual_seed(position)).byte()


def load(source: Source, progress: Callable[[float], None] = lambda share: None, **table: object) -> Any:
    """The data of a table over a source."""
    dataset = type("ToyDataset", (ToyDataset,), {"source": source, "__module__": __name__})
    return dataset.model_validate(table).load(Path(), progress=progress)
