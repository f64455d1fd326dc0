"""Joining the processes that torchrun, srun or ``idc run --processes`` have started."""

import os
import socket
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
    TCPStore,  # pyright: ignore[reportPrivateImportUsage]
)

from idc.errors import (
    EndedProcessError,
    InputError,
    LostProcessError,
    OtherProcessError,
    RunError,
    first_line,
)
from idc.runtime.device import memory_shortage, out_of_memory
from idc.runtime.patience import answered
from idc.runtime.place import ENDED, FILE, Place, place
from idc.runtime.processes import TIMEOUT, Processes

POLL, RETRY = 0.01, 0.2
"""Seconds between two looks at who has come, and between two tries of a port that does not listen."""

ANSWER = timedelta(seconds=10)
"""In which a port that listens must answer."""


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
        try:
            yield Processes()
        except Exception as error:
            said = _lacking_memory(error, "fewer classes at once or smaller batches take less")
            if said is error:
                raise
            raise said from error
        return
    kept = _store(here, timeout)
    try:
        # Only torchrun starts processes again with the same store.
        store = of_this_start(kept, here, timeout) if _agent_keeps_store() else kept
    except RuntimeError as error:
        message = (
            f"not all of the {here.ranks} processes came ({first_line(error)}); check that all were started"
        )
        raise _refusal(message, silent=here.on_machine > 0) from error
    processes = Processes(*here, store=PrefixStore("idc", store), timeout=timeout)
    try:
        _connect(here, PrefixStore("torch", store), processes)
        yield processes
    except BaseException as error:
        said = _said_once(error, processes)
        if said is error:
            raise
        raise said from error
    else:
        # Not after an error, because it would wait for exchanges in which others are missing.
        dist.destroy_process_group()
    finally:
        processes.leave(last=processes.first and isinstance(kept, TCPStore) and not _agent_keeps_store())


def _connect(here: Place, store: Store, processes: Processes) -> None:
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        processes.come()
        dist.init_process_group(
            backend, store=store, rank=here.rank, world_size=here.ranks, timeout=processes.timeout
        )
    except RunError:
        raise
    except RuntimeError as error:
        raise InputError(
            f"the {here.ranks} processes cannot be connected ({first_line(error)}); check that "
            "their machines reach each other (GLOO_SOCKET_IFNAME names the network)"
        ) from error


def _said_once(error: BaseException, processes: Processes) -> BaseException:
    """What a process raises in place of an error that all or one of them have."""
    if isinstance(error, OtherProcessError):
        return error
    if isinstance(error, Exception):
        error = _lacking_memory(error, "start fewer processes on this machine")
    message = str(error) or type(error).__name__
    if isinstance(error, EndedProcessError) and FILE in os.environ:
        return OtherProcessError(message, ENDED)
    says_it = processes.failed(message)
    if not isinstance(error, Exception):
        return error
    if not says_it:
        return OtherProcessError(message, 2 if isinstance(error, InputError) else 1)
    if isinstance(error, InputError | RunError) and not (
        processes.first or isinstance(error, LostProcessError)
    ):
        return type(error)(f"{processes.name()}: {error}")
    return error


def _lacking_memory(error: Exception, fix: str) -> Exception:
    """The error, or one that says in a sentence that there is not enough memory."""
    if isinstance(error, RunError) or not out_of_memory(error):
        return error
    return RunError(f"{memory_shortage(error)}; {fix}")


def _agent_keeps_store() -> bool:
    """Whether torchrun keeps the store, rather than the first process."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


def _store(here: Place, timeout: timedelta) -> Store:
    if file := os.environ.get(FILE):
        return FileStore(file, here.ranks)
    for name, fix in (("MASTER_ADDR", "the host of the first process"), ("MASTER_PORT", "a free port")):
        if not os.environ.get(name):
            message = f"{name} is not set; set it to {fix} in all processes"
            raise _refusal(message, silent=here.on_machine > 0)
    host, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
    if not port.isdecimal() or int(port) >= 2**16:
        message = f"MASTER_PORT: {port!r} is not allowed; it must be a number below 65536"
        raise _refusal(message, silent=here.on_machine > 0)
    keeps = here.rank == 0 and not _agent_keeps_store()
    if not keeps:
        _wait_until_listening(host, int(port), here, timeout)
    try:
        # Not torch's own rendezvous, which waits for all without saying for whom.
        return answered(
            ANSWER.total_seconds(),
            lambda: TCPStore(host, int(port), is_master=keeps, timeout=ANSWER, wait_for_workers=False),
        )
    except RuntimeError as error:
        reason = first_line(error).rpartition("message: ")[2]
        message = f"MASTER_PORT: {host}:{port} cannot be used ({reason}); set another port"
        # The first process finds it too.
        raise _refusal(message, silent=here.on_machine > 0) from error


def _wait_until_listening(host: str, port: int, here: Place, timeout: timedelta) -> None:
    until = time.monotonic() + timeout.total_seconds()
    while True:
        try:
            socket.create_connection((host, port), timeout=ANSWER.total_seconds()).close()
            return
        except OSError as error:
            if time.monotonic() < until:
                time.sleep(RETRY)
                continue
            message = (
                f"the first of {here.ranks} processes does not listen at {host}:{port} ({error}); start it, "
                "or correct MASTER_ADDR and MASTER_PORT"
            )
            raise _refusal(message, silent=here.on_machine > 0 and here.rank != 1) from error


def _refusal(message: str, *, silent: bool) -> Exception:
    """Of bad input that several processes find; silent in all of a machine but one."""
    return OtherProcessError(message, 2) if silent else InputError(message)


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
