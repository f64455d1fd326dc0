"""Reading many images: in parallel, in order, and in blocks, so that memory does not grow with them."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from idc.data.examples import Example, Part
from idc.data.fingerprint import Fingerprint
from idc.data.statistics import ChannelStatistics, RunningStatistics
from idc.data.subset import Wanted
from idc.errors import InputError, first_line

AT_A_TIME = 32
"""Images that one thread reads before it hands them over."""
LISTED = 5
"""Unreadable images that a message names."""
LONGEST = 500
"""Characters that a message has for one of them."""


@dataclass
class Unreadable:
    """Images that could not be read: how many, and the first few with the reason."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    transient: bool = False
    """Whether the system refused to give one, which it may not do another time."""

    def add(self, name: str, reason: str, *, transient: bool = False) -> None:
        """Count one more."""
        self.count += 1
        self.transient |= transient
        if len(self.first) < LISTED:
            self.first.append(f"{name} ({reason})"[-LONGEST:])


class Reading:
    """Reads the images of both splits; what it says of them is complete when `blocks` has come to its end.

    Args:
        train: the first part.
        test: the second.
        wanted: how an image is to be kept.
    """

    def __init__(self, train: Part, test: Part, wanted: Wanted) -> None:
        self._parts = (train, test)
        self._wanted = wanted
        self._first: tuple[str, Example] | None = None
        self._labels: tuple[list[int], list[int]] = ([], [])
        self._fingerprints = (Fingerprint(), Fingerprint())
        self._running = RunningStatistics()
        self.unreadable = Unreadable()

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of every image."""
        channels, height, width = self._example.shape
        return channels, height, width

    @property
    def dtype(self) -> torch.dtype:
        """Bytes or floats."""
        return self._example.dtype

    @property
    def labels(self) -> tuple[Tensor, Tensor]:
        """Of the images that could be read, in both splits."""
        first, second = (torch.tensor(labels, dtype=torch.int64) for labels in self._labels)
        return first, second

    @property
    def fingerprints(self) -> tuple[str, str]:
        """Of both splits, as `Split.fingerprint` has it."""
        first, second = (
            fingerprint.result(labels, self.shape, self.dtype)
            for fingerprint, labels in zip(self._fingerprints, self.labels, strict=True)
        )
        return first, second

    @property
    def statistics(self) -> ChannelStatistics:
        """Of the first split."""
        return ChannelStatistics(*self._running.result())

    def blocks(self, progress: Callable[[float], None]) -> Iterator[Tensor]:
        """The images, those of the first part before those of the second, in their order.

        Args:
            progress: called after every block with the share that has been read, 0 to 1.

        Returns:
            Tensors (n, channels, height, width).

        Raises:
            InputError: two images are of different shapes, or none can be read.
        """
        done = 0
        for number, part in enumerate(self._parts):
            for outcomes in _in_parallel(part, self._wanted):
                done += len(outcomes)
                images = [self._agreeing(each, number) for each in outcomes if self._is_image(each)]
                if images:
                    block = torch.stack(images)
                    self._fingerprints[number].add(block)
                    if number == 0:
                        self._running.add(block)
                    yield block
                progress(done / len(self))
            if not self._labels[0]:
                raise InputError(
                    f"dataset: no training example can be read: {'; '.join(self.unreadable.first)}"
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

    def _agreeing(self, outcome: "_Outcome", number: int) -> Example:
        name, image, label = outcome.name, outcome.image, outcome.label
        assert isinstance(image, Tensor)
        self._first = self._first or (name, image)
        if image.shape != self.shape or image.dtype != self.dtype:
            raise InputError(
                f"dataset: images differ in shape: {self._first[0]} is {_described(self._example)}, {name} "
                f"is {_described(image)}; set dataset.size and dataset.channels, to which all are brought"
            )
        self._labels[number].append(label)
        return image


class _Outcome(NamedTuple):
    name: str
    image: Example | str
    """Or why there is none."""
    label: int
    transient: bool = False


def _in_parallel(part: Part, wanted: Wanted) -> Iterator[list[_Outcome]]:
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    pending: deque[Future[list[_Outcome]]] = deque()
    with ThreadPoolExecutor(workers) as pool, warnings.catch_warnings():
        # Of odd metadata, mostly; whoever decodes says by an error what is not worth having.
        warnings.simplefilter("ignore")
        try:
            for first in range(0, len(part), AT_A_TIME):
                pending.append(
                    pool.submit(_read, part, wanted, range(first, min(first + AT_A_TIME, len(part))))
                )
                # A few ahead, not all, because what is read waits in memory.
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _read(part: Part, wanted: Wanted, places: range) -> list[_Outcome]:
    outcomes: list[_Outcome] = []
    for place in places:
        position, label = int(part.positions[place]), int(part.labels[place])
        name = part.examples.name(position)
        try:
            image = wanted.shaped(part.examples.read(position))
            if image.is_floating_point() and not bool(image.isfinite().all()):
                raise ValueError("has NaN or infinite pixels")
            outcomes.append(_Outcome(name, image, label))
        except InputError:
            raise
        # Damaged files make decoders fail in ways of their own.
        except Exception as error:
            # What a decoder says of a file has no number of the system's errors.
            transient = isinstance(error, MemoryError) or getattr(error, "errno", None) is not None
            outcomes.append(_Outcome(name, first_line(error), label, transient))
    return outcomes


def _described(image: Example) -> str:
    return "x".join(map(str, image.shape)) + ("" if image.dtype == torch.uint8 else " of floats")
