"""Several processes that compute something together, for tests.

One interpreter imports what is called and forks for each process, because importing torch takes seconds.
"""

import importlib
import importlib.util
import inspect
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

LONGEST = 100
"""Seconds after which every process is killed."""


def run_together(
    function: Callable[..., Any], counts: Sequence[int], folder: Path, seconds: int = LONGEST
) -> list[list[Any]]:
    """What a function returns in each process of groups of several.

    Args:
        function: at the top of a module; called with the `Processes` and a folder of its group, and returns
            anything that JSON holds.
        counts: of processes, of each group; one group comes after the other.
        folder: where the groups' folders are made, by their counts.
        seconds: after which the processes of a group are killed.

    Returns:
        For each group, what its processes returned, by rank.

    Raises:
        AssertionError: a process failed, or did not end in time.
    """
    for count in counts:
        (folder / str(count)).mkdir()
    words = [inspect.getfile(function), function.__name__, str(folder), str(seconds), *map(str, counts)]
    done = subprocess.run(
        [sys.executable, __file__, *words], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert done.returncode == 0, "a process failed; see above"
    return [
        [json.loads((folder / str(count) / f"returned-{rank}.json").read_text()) for rank in range(count)]
        for count in counts
    ]


def _fork_group(function: Callable[..., Any], count: int, folder: Path, seconds: int) -> None:
    """Run the processes of a group, and exit if one of them fails."""
    running: set[int] = set()
    for rank in range(count):
        process = os.fork()
        if not process:
            _be(function, rank, count, folder, seconds)
        running.add(process)
    while running:
        process, status = os.wait()
        running.discard(process)
        if status:
            for other in running:
                os.kill(other, signal.SIGKILL)
            sys.exit(f"of {count} processes one ended with {os.waitstatus_to_exitcode(status)}")


def _be(function: Callable[..., Any], rank: int, count: int, folder: Path, seconds: int) -> NoReturn:
    """Be one process of a group."""
    from idc.runtime.place import FILE
    from idc.runtime.rendezvous import joined

    # Ends the process wherever it hangs, in torch too.
    signal.alarm(seconds)
    place = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, FILE: folder / "rendezvous"}
    os.environ.update({name: str(value) for name, value in place.items()})
    try:
        with joined(timedelta(seconds=seconds)) as processes:
            returned = function(processes, folder)
            (folder / f"returned-{rank}.json").write_text(json.dumps(returned))
            # A process that goes takes its store along.
            processes.meet()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _import_stages() -> None:
    from small import small_pipeline

    small_pipeline()
    # What the digits are read with.
    importlib.import_module("sklearn.datasets")


def _load(file: str, name: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location("called", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["called"] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


if __name__ == "__main__":
    file, name, folder, seconds, *counts = sys.argv[1:]
    called = _load(file, name)
    _import_stages()
    for each in map(int, counts):
        _fork_group(called, each, Path(folder) / str(each), int(seconds))
