"""The order in which initializers select real images."""

from typing import Literal

import torch

from idc.kinds import Indices, Split, Streams

Order = Literal["random", "file"]
"""``random``: shuffled by the seed. ``file``: as stored, which the public code calls random."""


def ordered_members(real: Split, order: Order, streams: Streams) -> list[Indices]:
    """Positions of each class's images, in this order."""
    if order == "file":
        return real.members
    return [
        members[torch.randperm(len(members), generator=streams.generator(label))]
        for label, members in enumerate(real.members)
    ]
