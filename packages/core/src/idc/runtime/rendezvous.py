"""Joining the processes that torchrun, srun or ``idc run --processes`` have started."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch.distributed import (
    FileStore,  # pyright: ignore[reportPrivateImportUsage]
    PrefixStore,  # pyright: ignore[reportPrivateImportUsage]
    Store,  # pyright: ignore[reportPrivateImportUsage]
)
from torch.distributed.rendezvous import rendezvous

from idc.errors import InputError, first_line
from idc.runtime.processes import TIMEOUT, Processes

FILE = "IDC_RENDEZVOUS"
"""Environment variable with the path of a file through which processes of one machine find each other, which
needs no port."""


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


@contextmanager
def joined(timeout: timedelta = TIMEOUT) -> Iterator[Processes]:
    """The processes that were started with this one, within the block.

    Args:
        timeout: how long to wait for a process that shows no progress.

    Raises:
        InputError: the variables that describe them are wrong, a port is taken, or some do not come.
    """
    here = place()
    if here.ranks == 1:
        yield Processes()
        return
    store = _store(here, timeout)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        dist.init_process_group(
            backend,
            store=PrefixStore("torch", store),
            rank=here.rank,
            world_size=here.ranks,
            timeout=timeout,
        )
    except RuntimeError as error:
        raise InputError(
            f"the {here.ranks} processes cannot be connected ({first_line(error)}); check that all were "
            "started and that their machines reach each other (GLOO_SOCKET_IFNAME names the network)"
        ) from error
    try:
        yield Processes(*here, store=PrefixStore("idc", store), timeout=timeout)
    finally:
        dist.destroy_process_group()


def _store(here: Place, timeout: timedelta) -> Store:
    if file := os.environ.get(FILE):
        return FileStore(file, here.ranks)
    for name, port in (("MASTER_ADDR", None), ("MASTER_PORT", "a free port, such as 29500")):
        if not os.environ.get(name):
            raise InputError(
                f"{name} is not set; set it to {port or 'the host of the first process'} in all processes"
            )
    try:
        store, _, _ = next(rendezvous("env://", here.rank, here.ranks, timeout=timeout))
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise InputError(
            f"the first of {here.ranks} processes cannot be reached at {where} ({first_line(error)}); if the "
            "port is taken, set another MASTER_PORT"
        ) from error
    return store
