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
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

LONGEST = 100
"""Seconds after which every process is killed."""

IMPORTED_BY_A_RUN = (
    "idc_cli.main",
    "idc.runtime.rendezvous",
    "idc.synset.pictures",
    "idc_cli.report.page",
    "idc_cli.runner.condense",
    "idc_cli.runner.estimate",
    "idc_cli.runner.load",
    "idc_cli.runner.score",
    "idc_cli.runner.together",
)
"""When it needs them."""


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


def run_forking(function: Callable[..., Any], folder: Path, seconds: int = LONGEST) -> Any:
    """What a function returns that starts `Commands`, called in an interpreter that can fork.

    Args:
        function: at the top of a module; called with a folder, and returns anything that JSON holds.
        folder: that it works in.
        seconds: after which the processes are killed.
    """
    words = [inspect.getfile(function), function.__name__, str(folder), str(seconds)]
    done = subprocess.run(
        [sys.executable, __file__, *words],
        # The commands set it too, but torch reads it when it is imported.
        env={**os.environ, "OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "FATAL"},
        check=False,
    )
    assert done.returncode == 0, "it failed; see above"
    return json.loads((folder / "returned.json").read_text())


class Commands:
    """The same command in several processes, which meet as those of ``idc run --processes`` do.

    Args:
        words: of the command line.
        ranks: that are started.
        count: of processes that they shall be; as many as are started if None.
        folder: where they work, which is made.
        prepare: called in each process with its rank before the command.
        environment: that they find each other by, in place of a file.
    """

    def __init__(
        self,
        folder: Path,
        words: Sequence[str],
        ranks: Sequence[int],
        count: int | None = None,
        prepare: Callable[[int], object] = lambda rank: None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        from idc.runtime.place import FILE

        folder.mkdir(parents=True, exist_ok=True)
        self._printed = folder / f"printed-{time.monotonic_ns()}.txt"
        self._printed.touch()
        self._began = time.monotonic()
        meeting = environment or {FILE: str(self._printed.with_suffix(".rendezvous"))}
        self._running: dict[int, int] = {}
        for rank in ranks:
            process = os.fork()
            if not process:
                place = {"RANK": rank, "WORLD_SIZE": count or len(ranks), "LOCAL_RANK": rank}
                os.environ.update({**{name: str(value) for name, value in place.items()}, **meeting})
                _run_command(folder, self._printed, words, lambda rank=rank: prepare(rank))
            self._running[process] = rank

    def end(self, *killed: int) -> dict[str, Any]:
        """What became of them: exit codes by rank, what they printed, and the seconds that they took.

        Args:
            killed: ranks that hang, and are killed when all others have ended.
        """
        codes: dict[int, int] = {}
        while self._running:
            time.sleep(0.01)
            for process in list(self._running):
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    codes[self._running.pop(process)] = os.waitstatus_to_exitcode(status)
            if self._running and set(self._running.values()) <= set(killed):
                for each in self._running:
                    os.kill(each, signal.SIGKILL)
        seconds = time.monotonic() - self._began
        ordered = [codes[rank] for rank in sorted(codes)]
        return {"codes": ordered, "printed": self._printed.read_text(), "seconds": seconds}


def _run_command(
    folder: Path, printed: Path, words: Sequence[str], prepare: Callable[[], object]
) -> NoReturn:
    from idc_cli.main import app

    signal.alarm(LONGEST)
    # A shell's background jobs ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        os.chdir(folder)
        file = os.open(printed, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, 1)
        os.dup2(file, 2)
        prepare()
        app(list(words))
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


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
    if not counts:
        signal.alarm(int(seconds))
        for name in IMPORTED_BY_A_RUN:
            importlib.import_module(name)
        (Path(folder) / "returned.json").write_text(json.dumps(called(Path(folder))))
