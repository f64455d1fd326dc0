"""Which process matches which classes, and how their parts of the codes are put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from idc.kinds import Decoder, Rows
from idc.runtime.processes import Processes
from idc.shapes import Codes, Tensors


def of_classes(codes: Codes, labels: Sequence[int], decoder: Decoder) -> Codes:
    """Some classes' rows of codes, in this order; themselves for all."""
    rows = {name: len(code) for name, code in codes.items() if name not in decoder.shared}
    if all(list(labels) == list(range(count)) for count in rows.values()):
        return codes
    return {name: code[list(labels)] if name in rows else code for name, code in codes.items()}


def in_class_order(parts: Sequence[Codes], labels: Sequence[Sequence[int]]) -> Codes:
    """The codes of groups of classes as one, class by class.

    Args:
        parts: codes of each group; without any that all classes share if there are several.
        labels: class numbers of each group.
    """
    if len(parts) == 1 and list(labels[0]) == sorted(labels[0]):
        return parts[0]
    places = torch.tensor([label for group in labels for label in group]).argsort()
    return {name: torch.cat([part[name] for part in parts])[places] for name in parts[0]}


@dataclass(frozen=True, eq=False)
class Share:
    """The classes of each process; codes without a class axis are held by all."""

    processes: Processes
    labels: list[int]
    """Class numbers of all that are divided."""
    blocks: list[range]
    """Positions in ``labels``, by the rank of the process."""
    decoder: Decoder

    @property
    def own(self) -> list[int]:
        """The classes that this process matches; none if there are more processes than classes."""
        return [self.labels[position] for position in self.blocks[self.processes.rank]]

    @property
    def rows(self) -> Rows:
        """Which classes the rows of this process's codes belong to."""
        return Rows(self.blocks[self.processes.rank].start, len(self.labels))

    def rows_of(self, whole: Tensor) -> Tensor:
        """This process's rows of a tensor with all classes."""
        # A copy, so that the memory of the others is freed.
        block = self.blocks[self.processes.rank]
        return whole if self.processes.count == 1 else whole[block.start : block.stop].clone()

    def gathered(self, own: Tensor) -> Tensor:
        """The rows of all classes, in every process."""
        return self.processes.gathered(own, self.blocks)

    def part(self, whole: Codes) -> Codes:
        """This process's part of codes."""
        return self._each(whole, self.rows_of)

    def whole(self, part: Codes) -> Codes:
        """The codes of all classes, in every process."""
        return self._each(part, self.gathered)

    def collected(self, part: Codes) -> Codes | None:
        """The codes of all classes, in the first process; None in the others.

        If there are several, they are on the CPU, but for the shared ones.
        """
        found = {
            name: code if name in self.decoder.shared else self.processes.collected(code, self.blocks)
            for name, code in part.items()
        }
        whole = {name: code for name, code in found.items() if code is not None}
        return whole if self.processes.first else None

    def merged(self, part: Tensors) -> Tensors:
        """Tensors that only one process has, on the CPU, in every process."""
        if self.processes.count == 1:
            return part
        held, whole = {name: each.cpu() for name, each in part.items()}, dict[str, Tensor]()
        for rank in range(self.processes.count):
            own = held if rank == self.processes.rank else {}
            whole |= self.processes.broadcast(own, rank, torch.device("cpu"))[0]
        return whole

    def _each(self, codes: Codes, function: Callable[[Tensor], Tensor]) -> Codes:
        return {name: code if name in self.decoder.shared else function(code) for name, code in codes.items()}
