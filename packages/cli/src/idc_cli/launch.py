"""Starting this command again in several processes of this machine, and ending them together.

Not by torchrun's launcher, which ends with a traceback and exit code 1 whatever the reason, and kills
processes 30 seconds after Ctrl-C, when a long inner step may not be finished.
"""

import ctypes
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

from idc.errors import InputError
from idc.runtime.place import FILE, place

POLL, GRACE = 0.05, 20.0
"""Seconds between two looks at the processes, and for which the others may go on when one has failed."""

PR_SET_PDEATHSIG = 1
"""Of Linux's prctl.h."""


def start(processes: str) -> None:
    """Start this command in several processes, unless it is one of them or shall be alone.

    Args:
        processes: a number, or ``auto`` for one for each of the machine's GPUs, or else of its CPU cores.

    Raises:
        InputError: it is neither.
        typer.Exit: with the exit code of the processes, after they have ended.
    """
    if processes != "auto" and not (processes.isdecimal() and int(processes)):
        raise InputError(f"--processes: {processes!r} is not allowed; it must be auto or a number from 1")
    started = place().ranks
    if started > 1 and FILE not in os.environ and processes not in ("auto", "1", str(started)):
        raise InputError(
            f"--processes: {processes} is not allowed, because {started} were started; leave it out"
        )
    wanted = 1 if started > 1 else _available() if processes == "auto" else int(processes)
    if wanted > 1:
        raise typer.Exit(launched(wanted))


def launched(count: int) -> int:
    """Run this command line in several processes, with the threads of the machine divided among them.

    Args:
        count: of processes.

    Returns:
        The exit code: 2 for bad input, 130 for an interruption, 1 for any other failure.
    """
    threads = max(1, _cores() // count)
    with TemporaryDirectory(prefix="idc-") as folder:
        shared = {"WORLD_SIZE": str(count), FILE: str(Path(folder) / "rendezvous")}
        defaults = {"OMP_NUM_THREADS": str(threads)}
        running = [
            subprocess.Popen(
                [sys.executable, "-c", "from idc_cli.main import app; app()", *sys.argv[1:]],
                env={**defaults, **os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                # Ctrl-C reaches this process alone, which passes it on once.
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
            for rank in range(count)
        ]
        with _signals_passed_on(running):
            codes = _waited(running)
    for rank, code in enumerate(codes):
        if code < 0 and -code not in (signal.SIGINT, signal.SIGTERM):
            name = signal.Signals(-code).name
            hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
            print(f"error: process {rank} of {count} was ended by {name}{hint}", file=sys.stderr)
    return next((code for code in (2, 130) if code in codes), int(any(codes)))


def _available() -> int:
    # Not at the top: it takes seconds to import, which the processes themselves need too.
    import torch

    return torch.cuda.device_count() or _cores()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _waited(running: Sequence["subprocess.Popen[bytes]"]) -> list[int]:
    """Exit codes of all processes; when one has failed, the others are ended after a while."""
    failed: float | None = None
    while None in [process.poll() for process in running]:
        time.sleep(POLL)
        if failed is None and any(process.returncode for process in running):
            failed = time.monotonic()
        elif failed is not None and time.monotonic() - failed > GRACE:
            for process in running:
                process.kill()
    return [process.returncode for process in running]


@contextmanager
def _signals_passed_on(running: Sequence["subprocess.Popen[bytes]"]) -> Iterator[None]:
    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in running:
            process.send_signal(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
