"""Which real images come first: for initializers that take the first so many of each class."""

from typing import Literal

import torch

from idc.kinds import Indices, Split, Streams

Order = Literal["random", "file"]
"""``random``: shuffled by the seed. ``file``: as stored, which is what the public code calls random."""


def ordered_members(real: Split, order: Order, streams: Streams) -> list[Indices]:
    """Positions of each class's images, in the order they are to be taken."""
    if order == "file":
        return real.members
    return [
        members[torch.randperm(len(members), generator=streams.generator(label))]
        for label, members in enumerate(real.members)
    ]
