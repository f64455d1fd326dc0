"""Starting this command again in several processes of this machine, and ending them together.

Not by torchrun's launcher, which ends with a traceback and exit code 1 whatever the reason, and kills
processes 30 seconds after Ctrl-C, when a long inner step may not be finished.
"""

import ctypes
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import typer

from idc.errors import InputError, OtherProcessError
from idc.runtime.place import AGAIN, ENDED, FILE, LOST, named, place
from idc_cli.interruption import SIGNALS

POLL, GRACE = 0.05, 10.0
"""Seconds between two looks at the processes, and for which the others may go on when one is lost."""

THREADS = "OMP_NUM_THREADS"
"""Environment variable with the number of threads of a process."""

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What Linux has of NVIDIA's, AMD's and WSL's drivers."""

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl.h."""


def start(processes: str, minutes: float, device: str) -> None:
    """Start this command in several processes, unless it is one of them or shall be alone.

    Args:
        processes: as for `counted`.
        minutes: that they wait for one that shows no progress.
        device: as for `counted`.

    Raises:
        InputError: one of these is not allowed.
        OtherProcessError: the same, in all processes but the first.
        typer.Exit: with the exit code of the processes, after they have ended.
    """
    started = place()
    try:
        if not minutes > 0:
            raise InputError(f"--timeout: {minutes:g} is not allowed; it must be more than 0 minutes")
        count = counted(processes, device)
    except InputError as error:
        raise OtherProcessError(str(error), 2) if started.rank else error from None
    if started.ranks > 1:
        # What torch logs about lost connections goes to the terminal, and is said better.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    elif count > 1:
        raise typer.Exit(launched(count, minutes))


def counted(processes: str, device: str) -> int:
    """Number of processes of a command, whether they have been started or not.

    Args:
        processes: a number, or ``auto`` for one for each of the machine's GPUs, or else of its CPU cores.
        device: ``cpu`` if the GPUs are left alone.

    Raises:
        InputError: it is neither, or another number has been started.
    """
    if processes != "auto" and not (processes.isdecimal() and int(processes)):
        raise InputError(f"--processes: {processes!r} is not allowed; it must be auto or a number from 1")
    started = place().ranks
    if started > 1 and FILE not in os.environ and processes not in ("auto", "1", str(started)):
        raise InputError(
            f"--processes: {processes} is not allowed, because {started} were started; leave it out"
        )
    if started > 1:
        return started
    return _available(device) if processes == "auto" else int(processes)


def threads(count: int) -> int | None:
    """Threads that each of several processes is given; None if it has as many as this one.

    Args:
        count: of processes.
    """
    if count == 1 or place().ranks > 1 or THREADS in os.environ:
        return None
    return max(1, _cores() // count)


def launched(count: int, minutes: float) -> int:
    """Run this command line in several processes, with the threads of the machine divided among them.

    Args:
        count: of processes.
        minutes: after which processes that go on although one has failed are killed.

    Returns:
        The exit code: 2 for bad input, 130 for an interruption, 1 for any other failure.
    """
    each = threads(count)
    with TemporaryDirectory(prefix="idc-") as folder:
        shared = {"WORLD_SIZE": str(count), FILE: str(Path(folder) / "rendezvous")}
        given = {} if each is None else {THREADS: str(each)}
        # The processes unblock them when they can say that they were interrupted.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            running = [
                subprocess.Popen(
                    [sys.executable, "-c", "from idc_cli.main import app; app()", *sys.argv[1:]],
                    env={**os.environ, **given, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                    # Ctrl-C reaches this process alone, which passes it on once.
                    start_new_session=True,
                    preexec_fn=_end_with_parent,
                )
                for rank in range(count)
            ]
            with _signals_passed_on(running) as passed_on:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                killed = end_together(running, passed_on, 60 * minutes)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    codes = [process.returncode for process in running]
    silent = {rank: code for rank, code in enumerate(codes) if _is_silent(code) and rank not in killed}
    for code in sorted(set(silent.values())):
        ranks = [rank for rank in silent if silent[rank] == code]
        print(f"error: {named(ranks, count)} {_ending(code)}; {AGAIN}", file=sys.stderr)
    if ENDED in codes and not silent:
        print(f"error: the {count} processes have lost their connections; {AGAIN}", file=sys.stderr)
    interrupted = any(code in (130, *(-number for number in SIGNALS)) for code in codes)
    return 2 if 2 in codes else 130 if interrupted else int(any(codes))


def _available(device: str) -> int:
    if device == "cpu" or (sys.platform == "linux" and not any(map(os.path.exists, GPU_DRIVERS))):
        return _cores()
    # Only where there may be GPUs: importing it takes seconds, which the processes need again.
    import torch

    return torch.cuda.device_count() or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def end_together(
    running: Sequence["subprocess.Popen[bytes]"], passed_on: Sequence[int], patience: float
) -> set[int]:
    """Wait until all processes have ended; if one has failed, others that go on too long are killed.

    Args:
        running: the processes.
        passed_on: the signals so far.
        patience: seconds that the others may go on when one says that it failed.

    Returns:
        Ranks of those that were killed.
    """
    ended, interrupted, until, killed = set[int](), False, math.inf, set[int]()
    while len(ended) < len(running):
        time.sleep(POLL)
        now = time.monotonic()
        for rank, process in enumerate(running):
            if rank in ended or process.poll() is None:
                continue
            ended.add(rank)
            # The first may still write what all have computed.
            if process.returncode not in (0, 130):
                lost = process.returncode in (ENDED, LOST) or _is_silent(process.returncode)
                until = min(until, now + (GRACE if lost else patience))
        if len(passed_on) > 1 and not interrupted:
            interrupted, until = True, min(until, now + GRACE)
        if now > until:
            killed |= set(range(len(running))) - ended
            for rank in killed - ended:
                running[rank].kill()
    return killed


def _is_silent(code: int) -> bool:
    """Whether a process that ended so has said nothing about it."""
    return code not in (0, 1, 2, 130, ENDED, LOST) and -code not in SIGNALS


def _ending(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name
    return f"ended by {name}" + (", as the system does when memory runs out" if name == "SIGKILL" else "")


@contextmanager
def _signals_passed_on(running: Sequence["subprocess.Popen[bytes]"]) -> Iterator[Sequence[int]]:
    """Within the block, signals go to all processes; those so far are yielded."""
    passed_on: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        passed_on.append(number)
        for process in running:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield passed_on
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
