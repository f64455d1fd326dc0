"""How many classes are matched in one call, by the memory that a match takes."""

import warnings
from typing import Literal

import torch

from idc.condensation.inner_step import Matching
from idc.errors import Notice
from idc.network.network import Network
from idc.runtime import memory
from idc.runtime.execution import Execution
from idc.shapes import Codes, Tensors

MAX_FRACTION_OF_FREE_MEMORY = 0.8
"""Fraction of a GPU's free memory to use for matching several classes at once."""


MEMORY_CHECK_THRESHOLD = 1e12
"""Floating-point operations of an inner step from which its memory is determined before the run."""


def memory_of_a_match(
    matching: Matching,
    network: Network,
    codes: Codes,
    prepared: Tensors,
    execution: Execution,
    steps: int,
    wanted: int | Literal["auto"],
) -> int | None:
    """Peak bytes of matching one class in eager mode, besides the data; None if small or unknown.

    Args:
        matching: of the run.
        network: like those that are matched.
        codes: of the classes that this process matches.
        prepared: like what `Objective.prepare` returns.
        execution: of the run.
        steps: inner steps of the run.
        wanted: classes to match at once.
    """
    operations = matching.operations(network)
    large = execution.compiled or operations > MEMORY_CHECK_THRESHOLD or wanted == "auto"
    with execution.eager().active():
        return matching.memory(network, codes, prepared) if large and steps else None


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
