"""Which decoded images of a class are matched, for samplers that limit their number."""

import torch

from idc.kinds import Indices, Streams


def at_most(limit: int, count: int, step: int, streams: Streams) -> Indices | None:
    """None for all of ``count`` images, or ``limit`` positions drawn without replacement.

    Args:
        limit: maximum number of images.
        count: decoded images of the class.
        step: inner steps since the beginning of the run.
        streams: the class's own streams.
    """
    if count <= limit:
        return None
    return torch.randperm(count, generator=streams.generator("synthetic", step))[:limit]
