"""Joining the processes that torchrun, srun or ``idc run --processes`` have started."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import torch
import torch.distributed as dist
from torch.distributed import (
    FileStore,  # pyright: ignore[reportPrivateImportUsage]
    PrefixStore,  # pyright: ignore[reportPrivateImportUsage]
    Store,  # pyright: ignore[reportPrivateImportUsage]
)
from torch.distributed.rendezvous import rendezvous

from idc.errors import InputError, LostProcessError, OtherProcessError, RunError, first_line
from idc.runtime.place import FILE, Place, place
from idc.runtime.processes import TIMEOUT, Processes

POLL = 0.01
"""Seconds between two looks at who has come."""


@contextmanager
def joined(timeout: timedelta = TIMEOUT) -> Iterator[Processes]:
    """The processes that were started with this one, within the block.

    Args:
        timeout: how long to wait for a process that shows no progress.

    Raises:
        InputError: the variables that describe them are wrong, a port is taken, or some do not come.
        OtherProcessError: instead of an error that another process reports.
    """
    here = place()
    if here.ranks == 1:
        yield Processes()
        return
    store = _store(here, timeout)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store = of_this_start(store, here, timeout)
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
    processes = Processes(*here, store=PrefixStore("idc", store), timeout=timeout)
    try:
        yield processes
    except OtherProcessError:
        raise
    except (InputError, RunError) as error:
        if not processes.failed(str(error)):
            raise OtherProcessError(str(error)) from error
        if processes.first or isinstance(error, LostProcessError):
            raise
        raise type(error)(f"{processes.name()}: {error}") from error
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


def of_this_start(store: Store, here: Place, timeout: timedelta) -> Store:
    """The part of a store that only processes which were started together use.

    Torchrun keeps its store when it starts processes again, with the addresses and errors of those that have
    ended. It does not say how often it has started them: the count in its variables differs between machines.

    Args:
        store: that all processes have joined.
        here: this process.
        timeout: how long to wait for the others.

    Raises:
        RuntimeError: some do not come.
    """
    own, until = uuid4().hex, time.monotonic() + timeout.total_seconds()
    # Each process has a new name. The first answers every name that it sees, also old ones, until the others
    # have read the answers to theirs.
    name = own if here.rank == 0 else ""
    late = set(range(1, here.ranks)) if here.rank == 0 else {here.rank}
    if here.rank:
        store.set(f"came/{here.rank}", own)
    while late:
        for rank in sorted(late):
            if here.rank == 0 and store.check([f"came/{rank}"]):
                store.set(f"answer/{store.get(f'came/{rank}').decode()}", own)
            elif here.rank and store.check([f"answer/{own}"]):
                name = store.get(f"answer/{own}").decode()
                store.set(f"read/{name}/{rank}", "")
            if name and store.check([f"read/{name}/{rank}"]):
                late.remove(rank)
        if late and time.monotonic() > until:
            raise RuntimeError(f"timed out waiting for {', '.join(map(str, sorted(late)))}")
        time.sleep(POLL)
    return PrefixStore(name, store)
