"""Class batches without replacement, in epochs."""

from functools import lru_cache
from typing import Annotated, Literal, final

import torch
from pydantic import Field

from idc.kinds import Indices, Sampler, Streams
from idc.stages.samplers.decoded import at_most


@final
class Epoch(Sampler):
    """Full batches of each class's shuffled images, reshuffled in every epoch (IDC)."""

    type: Literal["epoch"] = "epoch"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Real images per class in an inner step; all of a smaller class."""
    max_synthetic: Annotated[int, Field(ge=1)] = 128
    """Maximum number of decoded images per class in an inner step; if there are more, they are drawn."""

    def real(
        self, members: Indices, step: int, streams: Streams, refreshed: Indices | None = None
    ) -> Indices:
        """The next full batch of the current epoch."""
        size = min(self.batch_size, len(members))
        number, position = divmod(step, len(members) // size)
        return members[_order(streams, number, len(members))[position * size : (position + 1) * size]]

    def synthetic(self, count: int, step: int, streams: Streams) -> Indices | None:
        """All of them, or ``max_synthetic`` drawn without replacement."""
        return at_most(self.max_synthetic, count, step, streams)


@lru_cache(maxsize=1024)
def _order(streams: Streams, number: int, count: int) -> Indices:
    return torch.randperm(count, generator=streams.generator("real", number))
