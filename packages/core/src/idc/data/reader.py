"""Reads images in parallel, in order and in blocks, with memory independent of their number."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from idc.data.examples import Example, Subset
from idc.data.fingerprint import Fingerprint
from idc.data.statistics import ChannelStatistics, RunningStatistics
from idc.data.subset import Wanted
from idc.errors import InputError, first_line

IMAGES_PER_TASK = 32
"""Images that a thread reads in one task."""
MAX_LISTED = 5
"""Number of unreadable images that a message lists."""
MAX_ENTRY_CHARS = 500
"""Characters of each image and reason listed."""


@dataclass
class UnreadableImages:
    """Number of images that could not be read, and the first few with the reason."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    transient: bool = False
    """Whether an image failed with a system error, which may not occur next time."""

    def add(self, name: str, reason: str, *, transient: bool = False) -> None:
        """Count one more."""
        self.count += 1
        self.transient |= transient
        if len(self.first) < MAX_LISTED:
            self.first.append(f"{name} ({reason})"[-MAX_ENTRY_CHARS:])


class Reader:
    """Reads the images of both splits; its properties are complete once `blocks` is exhausted.

    Args:
        train: images of the training split.
        test: images of the test split.
        wanted: how images are converted.
    """

    def __init__(self, train: Subset, test: Subset, wanted: Wanted) -> None:
        self._subsets = (train, test)
        self._wanted = wanted
        self._first: tuple[str, Example] | None = None
        self._labels: tuple[list[int], list[int]] = ([], [])
        self._fingerprints = (Fingerprint(), Fingerprint())
        self._running = RunningStatistics()
        self.unreadable = UnreadableImages()

    def __len__(self) -> int:
        return sum(map(len, self._subsets))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self._example.shape
        return channels, height, width

    @property
    def dtype(self) -> torch.dtype:
        """uint8 or float."""
        return self._example.dtype

    @property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Labels of the readable images of each split."""
        first, second = (torch.tensor(labels, dtype=torch.int64) for labels in self._labels)
        return first, second

    @property
    def fingerprints(self) -> tuple[str, str]:
        """Of each split, as `Split.fingerprint`."""
        first, second = (
            fingerprint.result(labels, self.shape, self.dtype)
            for fingerprint, labels in zip(self._fingerprints, self.labels, strict=True)
        )
        return first, second

    @property
    def statistics(self) -> ChannelStatistics:
        """Of the training split."""
        return ChannelStatistics(*self._running.result())

    def blocks(self, progress: Callable[[float], None]) -> Iterator[Tensor]:
        """The training images, then the test images, in their order.

        Args:
            progress: called after every block with the fraction read, 0 to 1.

        Returns:
            Tensors (n, channels, height, width).

        Raises:
            InputError: images differ in shape, or no training image can be read.
        """
        done = 0
        for number, subset in enumerate(self._subsets):
            for outcomes in _in_parallel(subset, self._wanted):
                done += len(outcomes)
                images = [self._checked(each, number) for each in outcomes if self._is_image(each)]
                if images:
                    block = torch.stack(images)
                    self._fingerprints[number].add(block)
                    if number == 0:
                        self._running.add(block)
                    yield block
                progress(done / len(self))
            if not self._labels[0]:
                raise InputError(
                    f"dataset: no training image can be read: {'; '.join(self.unreadable.first)}"
                )

    @property
    def _example(self) -> Example:
        assert self._first is not None, "nothing has been read"
        return self._first[1]

    def _is_image(self, outcome: "_Outcome") -> bool:
        if isinstance(outcome.image, str):
            self.unreadable.add(outcome.name, outcome.image, transient=outcome.transient)
            return False
        return True

    def _checked(self, outcome: "_Outcome", number: int) -> Example:
        name, image, label = outcome.name, outcome.image, outcome.label
        assert isinstance(image, Tensor)
        self._first = self._first or (name, image)
        if image.shape != self.shape or image.dtype != self.dtype:
            raise InputError(
                f"dataset: images differ in shape: {self._first[0]} is {_described(self._example)}, {name} "
                f"is {_described(image)}; set dataset.size and dataset.channels to convert all images"
            )
        self._labels[number].append(label)
        return image


class _Outcome(NamedTuple):
    name: str
    image: Example | str
    """The image, or why it is unreadable."""
    label: int
    transient: bool = False


def _in_parallel(subset: Subset, wanted: Wanted) -> Iterator[list[_Outcome]]:
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pending: deque[Future[list[_Outcome]]] = deque()
    with ThreadPoolExecutor(workers) as pool, warnings.catch_warnings():
        # Decoders warn mostly of odd metadata; real problems are exceptions.
        warnings.simplefilter("ignore")
        try:
            for first in range(0, len(subset), IMAGES_PER_TASK):
                end = min(first + IMAGES_PER_TASK, len(subset))
                pending.append(pool.submit(_read, subset, wanted, range(first, end)))
                # Bounded, because images that were read wait in memory.
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(subset: Subset, wanted: Wanted, indices: range) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    for index in indices:
        position, label = int(subset.positions[index]), int(subset.labels[index])
        name = subset.examples.name(position)
        try:
            image = wanted.shaped(subset.examples.read(position))
            if image.is_floating_point() and not bool(image.isfinite().all()):
                raise ValueError("has NaN or infinite pixels")
            outcomes.append(_Outcome(name, image, label))
        except InputError:
            raise
        # Decoders raise all kinds of exceptions for damaged files.
        except Exception as error:
            # System errors have an errno; errors of decoders have none.
            transient = isinstance(error, MemoryError) or getattr(error, "errno", None) is not None
            outcomes.append(_Outcome(name, first_line(error), label, transient))
    return outcomes


def _described(image: Example) -> str:
    return "x".join(map(str, image.shape)) + ("" if image.dtype == torch.uint8 else " of floats")
