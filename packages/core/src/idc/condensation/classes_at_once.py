"""How many classes are matched in one call, by the memory that a match takes."""

import warnings
from typing import Literal

import torch

from idc.errors import Notice
from idc.runtime import memory

MAX_FRACTION_OF_FREE_MEMORY = 0.8
"""Fraction of a GPU's free memory to use for matching several classes at once."""


def classes_that_fit(needed: int | None, wanted: int | Literal["auto"], device: torch.device) -> int:
    """Number of classes to match in one call; warns if one class may not fit.

    Args:
        needed: bytes that matching one class takes; None if unknown.
        wanted: a number, or ``auto`` for as many as fit into a GPU's free memory.
        device: to compute on.
    """
    if needed is None:
        return 1 if wanted == "auto" else wanted
    free = memory.available(device)
    if needed > free:
        taken, there = (f"{size / 1e9:.1f} GB" for size in (needed, free))
        warnings.warn(
            f"matching one class may take {taken} of memory, but {there} are free; if it fails, lower "
            "sampler.batch_size or sampler.max_synthetic",
            Notice,
            2,
        )
    if wanted != "auto":
        return wanted
    return max(1, int(MAX_FRACTION_OF_FREE_MEMORY * free / needed)) if device.type == "cuda" else 1
