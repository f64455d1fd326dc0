"""Which of several processes this is, as those that started them say; does not import torch."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from idc.errors import InputError

FILE = "IDC_RENDEZVOUS"
"""Environment variable with the path of a file through which processes of one machine find each other, which
needs no port."""

ENDED, LOST = 75, 76
"""Exit codes, for `idc run --processes`, of a process that has lost another: because that one has ended, so
that whoever started both can say how, or for another reason, which this process has said."""

AGAIN = "start the command again, idc run with --resume"
"""The fix when a process is lost and nothing is wrong with the input."""


class Place(NamedTuple):
    """This process among those that were started together."""

    rank: int
    ranks: int
    """Number of processes."""
    on_machine: int
    """Rank among those of its machine."""


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place in torchrun's variables or in those of a SLURM step; by default of a single process.

    Args:
        environment: variables.

    Raises:
        InputError: a variable is no number, or one is missing.
    """
    for names in (
        ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
    ):
        found = [environment.get(name) for name in names]
        if found[1] is None or found[1] == "1":
            continue
        for name, value in zip(names, found, strict=True):
            if value is None or not value.isdecimal():
                raise InputError(
                    f"{name}: {value!r} is not allowed beside {names[1]}={found[1]}; start with torchrun"
                )
        rank, ranks, on_machine = (int(value or 0) for value in found)
        if rank >= ranks:
            raise InputError(f"{names[0]}: {rank} is not allowed; it must be less than {names[1]}={ranks}")
        return Place(rank, ranks, on_machine)
    return Place(0, 1, 0)


def named(ranks: Sequence[int], count: int) -> str:
    """Processes in messages: ``process 1 of 4``, ``processes 1, 2 of 4``."""
    return f"process{'es' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))} of {count}"
