"""Which process matches which classes, and how their parts of the codes are put together."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from idc.kinds import Decoder, Rows
from idc.runtime.processes import Processes
from idc.shapes import Codes, Tensors


@dataclass(frozen=True, eq=False)
class Share:
    """The classes of each process; codes without a class axis are held by all."""

    processes: Processes
    blocks: list[range]
    """Class numbers, by the rank of the process."""
    decoder: Decoder

    @property
    def own(self) -> range:
        """The classes that this process matches; none if there are more processes than classes."""
        return self.blocks[self.processes.rank]

    @property
    def rows(self) -> Rows:
        """Which classes the rows of this process's codes belong to."""
        return Rows(self.own.start, self.blocks[-1].stop)

    def rows_of(self, whole: Tensor) -> Tensor:
        """This process's rows of a tensor with all classes."""
        # A copy, so that the memory of the others is freed.
        return whole if self.processes.count == 1 else whole[self.own.start : self.own.stop].clone()

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
        """The codes of all classes on the CPU, in the first process; None in the others."""
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
        whole: Tensors = {}
        for rank in range(self.processes.count):
            held = {name: each.cpu() for name, each in part.items()}
            whole |= self.processes.broadcast(held, rank, torch.device("cpu"))[0]
        return whole

    def shapes(self, part: Codes) -> Codes:
        """Tensors without data of the shapes that the codes of all classes have."""
        return self._each(
            {name: code.to("meta") for name, code in part.items()},
            lambda code: code.new_empty(self.rows.classes, *code.shape[1:]),
        )

    def _each(self, codes: Codes, function: Callable[[Tensor], Tensor]) -> Codes:
        return {name: code if name in self.decoder.shared else function(code) for name, code in codes.items()}
