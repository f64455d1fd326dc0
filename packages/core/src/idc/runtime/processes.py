"""The processes that compute a run together, over torch.distributed."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

from idc.errors import EndedProcessError, LostProcessError, OtherProcessError, RunError, first_line
from idc.runtime.attendance import LOOK_INTERVAL, Attendance
from idc.runtime.patience import TIMED_OUT
from idc.runtime.place import AGAIN, Place, named
from idc.shapes import Tensors

T = TypeVar("T")

TIMEOUT = timedelta(minutes=30)
"""How long a process waits for another that shows no progress."""

DETAILS = re.compile(r"^\[[^]]*\] |\. .*")
"""What gloo puts around its messages: where they come from, and advice."""

LONGEST_PAUSE_OF_AN_EXCHANGE = 5e-4
"""Seconds between two looks at whether it is done; a step makes several, and waits overshoot."""


class Processes:
    """The processes that compute a run together; by default this one alone.

    All make the same calls in the same order. They exchange what only one of them has computed, so that all
    go on with the same numbers, and no result depends on how many there are.

    Args:
        rank: of this process, from 0.
        count: of processes.
        rank_on_machine: of this process among those of its machine, from 0.
        store: a store of torch.distributed that all processes have joined; needed if there are several.
        timeout: how long to wait for a process that shows no progress.
    """

    def __init__(
        self,
        rank: int = 0,
        count: int = 1,
        rank_on_machine: int = 0,
        store: Store | None = None,
        timeout: timedelta = TIMEOUT,
    ) -> None:
        self.rank = rank
        self.count = count
        self.rank_on_machine = rank_on_machine
        self.timeout = timeout
        self._attendance = store and Attendance(Place(rank, count, rank_on_machine), store, timeout)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    def blocks(self, weights: Sequence[int]) -> list[range]:
        """Consecutive positions for each process, so that their sums of weights are about even.

        Args:
            weights: of each position; positive.
        """
        total = sum(weights)
        middles = (end - weight / 2 for end, weight in zip(accumulate(weights), weights, strict=True))
        owners = [min(self.count - 1, int(self.count * middle / total)) for middle in middles]
        firsts = [sum(owner < rank for owner in owners) for rank in range(self.count + 1)]
        return [range(first, end) for first, end in pairwise(firsts)]

    def gathered(self, own: Tensor, blocks: Sequence[range]) -> Tensor:
        """The rows of all processes, in the order of their positions.

        Args:
            own: this process's rows, one for each position of its block.
            blocks: of each process.
        """
        if self.count == 1:
            return own
        padded = _padded(own, blocks)
        parts = [torch.empty_like(padded) for _ in blocks]
        self._exchange(lambda: dist.all_gather(list(map(_bytes, parts)), _bytes(padded), async_op=True), own)
        return _joined(parts, blocks)

    def collected(self, own: Tensor, blocks: Sequence[range]) -> Tensor | None:
        """What `gathered` returns, on the CPU and in the first process only; None in the others.

        Args:
            own: this process's rows.
            blocks: of each process.
        """
        own = own.detach().cpu()
        if self.count == 1:
            return own
        padded = _padded(own, blocks)
        parts = [torch.empty_like(padded) for _ in blocks] if self.first else None
        into = parts and list(map(_bytes, parts))
        self._exchange(lambda: dist.gather(_bytes(padded), into, async_op=True), own)
        return _joined(parts, blocks) if parts else None

    def broadcast(
        self, tensors: Tensors, source: int, device: torch.device, note: Any = None
    ) -> tuple[Tensors, Any]:
        """The tensors and a note of one process, in all.

        Args:
            tensors: by name; those of the other processes are ignored.
            source: rank of that process.
            device: of the tensors.
            note: anything that JSON holds.
        """
        if self.count == 1:
            return tensors, note
        own = self.rank == source
        shapes = [
            (name, str(each.dtype).removeprefix("torch."), each.shape) for name, each in tensors.items()
        ]
        shapes, note = self.told([shapes, note] if own else None)[source]
        if not own:
            tensors = {
                name: torch.empty(shape, dtype=getattr(torch, dtype), device=device)
                for name, dtype, shape in shapes
            }
        if tensors:
            # In one call, because each costs as much as a kernel launch or a round trip.
            sizes = [each.nbytes for each in tensors.values()]
            empty = torch.empty(sum(sizes), dtype=torch.uint8, device=device)
            block = torch.cat([_bytes(each.contiguous()) for each in tensors.values()]) if own else empty
            self._exchange(lambda: dist.broadcast(block, source, async_op=True), block)
            for each, part in zip(tensors.values(), block.split(sizes), strict=True):
                if not own:
                    _bytes(each).copy_(part)
        return tensors, note

    def told(self, value: Any) -> list[Any]:
        """The values of all processes, by rank.

        Args:
            value: this process's; anything that JSON holds. Floats come back unchanged.
        """
        if self.count == 1:
            return [value]
        own = torch.frombuffer(bytearray(json.dumps(value).encode()), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        self._exchange(lambda: dist.all_gather(lengths, torch.tensor([len(own)]), async_op=True), own)
        padded = own.new_zeros(max(map(int, lengths)))
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in lengths]
        self._exchange(lambda: dist.all_gather(parts, padded, async_op=True), own)
        cut = (part[: int(length)] for part, length in zip(parts, lengths, strict=True))
        return [json.loads(part.numpy().tobytes()) for part in cut]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is true in any process."""
        if self.count == 1:
            return flags
        found = torch.tensor(flags, dtype=torch.uint8)
        self._exchange(lambda: dist.all_reduce(found, dist.ReduceOp.MAX, async_op=True), found)
        return tuple(map(bool, found.tolist()))

    def mapped(self, compute: Callable[[T], Any], items: Sequence[T]) -> Iterator[Any]:
        """What a function returns for each item, in their order; as many at a time as there are processes.

        Args:
            compute: called for each item in one process only; returns anything that JSON holds. `beat` tells
                the others that it still works.
            items: the same in all processes.
        """
        for first in range(0, len(items), self.count):
            some = items[first : first + self.count]
            own = compute(some[self.rank]) if self.rank < len(some) else None
            self.meet()
            yield from self.told(own)[: len(some)]

    def beat(self) -> None:
        """Tell those that wait in `meet` that this process still works."""
        if self._attendance is not None:
            with self._call():
                self._attendance.beat()

    def meet(self) -> None:
        """Wait for all processes, as long as those that are missing `beat`.

        Before an exchange after work that takes some processes much longer than others.

        Raises:
            RunError: a process has failed, or has not beaten for `timeout`.
        """
        if self._attendance is not None:
            with self._call():
                self._attendance.meet()

    def failed(self, message: str) -> bool:
        """Tell the others why this process ends, unless another has done so.

        Args:
            message: the error's.

        Returns:
            Whether this process is the one that should say it. All find the same error in bad input.
        """
        return self._attendance is None or self._attendance.failed(message)

    def name(self) -> str:
        """This process in messages."""
        return f"{named([self.rank], self.count)} on {socket.gethostname()}"

    def come(self) -> None:
        """Wait until all processes have come, before anything else.

        Raises:
            InputError: some do not.
        """
        if self._attendance is not None:
            self._attendance.come()

    def leave(self, *, last: bool) -> None:
        """Call nothing any more.

        Args:
            last: whether to wait until all others have left, because the store goes with this process.
        """
        if self._attendance is not None:
            self._attendance.leave(last=last)

    def _exchange(self, start: Callable[[], Any], like: Tensor) -> None:
        """Start a call of torch.distributed, and wait until it is done."""
        assert self._attendance is not None, "several processes need a store"
        with self._call():
            work = start()
            if like.device.type != "cpu":
                work.wait()
                return
            # Not `wait`, which would not answer to Ctrl-C.
            pause, looked = 1e-5, time.monotonic()
            while not work.is_completed():
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_OF_AN_EXCHANGE)
                if time.monotonic() - looked > LOOK_INTERVAL:
                    self._attendance.answer()
                    looked = time.monotonic()
            work.wait()

    @contextmanager
    def _call(self) -> Iterator[None]:
        """Say who is missing when a call that all processes make fails."""
        began = time.monotonic()
        try:
            yield
        except RunError:
            raise
        except RuntimeError as error:
            late = time.monotonic() - began >= self.timeout.total_seconds()
            raise self._lost(TIMED_OUT if late else DETAILS.sub("", first_line(error))) from error

    def _lost(self, reason: str) -> LostProcessError:
        assert self._attendance is not None
        try:
            absent = self._attendance.absent(reason)
        except OtherProcessError as error:
            return error
        except RuntimeError:
            # Which keeps the store.
            absent = [0]
        who = named(absent, self.count) if absent else "another process"
        if reason == TIMED_OUT:
            minutes = f"{self.timeout.total_seconds() / 60:g} minutes"
            return LostProcessError(
                f"{who} showed no progress for {minutes}; {AGAIN}, and a longer --timeout if it worked"
            )
        return EndedProcessError(f"{who} ended or cannot be reached ({reason[:200]}); {AGAIN}")


def _padded(own: Tensor, blocks: Sequence[range]) -> Tensor:
    # Blocks differ in length, and gathering needs equal ones.
    padded = own.new_zeros(max(map(len, blocks)), *own.shape[1:])
    padded[: len(own)] = own
    return padded


def _joined(parts: Sequence[Tensor], blocks: Sequence[range]) -> Tensor:
    return torch.cat([part[: len(block)] for part, block in zip(parts, blocks, strict=True)])


def _bytes(tensor: Tensor) -> Tensor:
    # Not every backend knows every dtype.
    return tensor.view(-1).view(torch.uint8)
