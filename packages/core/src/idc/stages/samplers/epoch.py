"""Class batches without replacement, pass after pass."""

from functools import lru_cache
from typing import Annotated, Literal, final

import torch
from pydantic import Field

from idc.kinds import Indices, Sampler, Streams


@final
class Epoch(Sampler):
    """Each class's images are shuffled and dealt out in full batches; then they are shuffled again (IDC)."""

    type: Literal["epoch"] = "epoch"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Real images of a class in an inner step; a smaller class is taken whole each time."""
    max_synthetic: Annotated[int, Field(ge=1)] = 128
    """Decoded images of a class in an inner step; of more, this many are drawn each time."""

    def real(
        self, members: Indices, step: int, streams: Streams, refreshed: Indices | None = None
    ) -> Indices:
        """The next full batch of the current pass."""
        size = min(self.batch_size, len(members))
        number, position = divmod(step, len(members) // size)
        return members[_order(streams, number, len(members))[position * size : (position + 1) * size]]

    def synthetic(self, count: int, step: int, streams: Streams) -> Indices | None:
        """All of them, or ``max_synthetic`` drawn without replacement."""
        if count <= self.max_synthetic:
            return None
        return torch.randperm(count, generator=streams.generator("synthetic", step))[: self.max_synthetic]


@lru_cache(maxsize=1024)
def _order(streams: Streams, number: int, count: int) -> Indices:
    return torch.randperm(count, generator=streams.generator("real", number))
