"""Several processes of a command: what befalls one is said once, all end, and runs go on with the same bits.

The processes are forked; `test_started_processes.py` starts them as users do.
"""

import json
import os
import resource
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from command_line import names
from idc.condensation.inner_step import Matching
from idc.data.split import Split
from idc.runtime.attendance import Attendance
from idc.runtime.place import ENDED, LOST
from idc.runtime.processes import Processes
from idc.stages.evaluators import retrain
from idc_cli.commands import run as command
from idc_cli.runner import together
from process_group import Commands, run_forking
from small import small_pipeline

pytestmark = pytest.mark.slow

PIPELINE = small_pipeline(
    dataset={"type": "digits", "size": 8, "limit": 20, "classes": ["1", "4", "7"]},
    iterations=3,
    baseline=[],
    evaluate=[{"type": "retrain", "runs": 2, "epochs": 1}],
)
SLOW = ("--timeout", "0.05")
"""Three seconds."""

RUN = ("run", "small.toml", "--device", "cpu", "--quiet", "--checkpoint-every", "1")
SYNSET = "runs/small/synset.safetensors"
ROOM = 3000
"""Bytes of a file that may be written where the disk is full: less than a synset."""

PATCH = pytest.MonkeyPatch()
"""Of processes that end after it."""


def at_call(place: Any, name: str, rank: int, number: int, do: Callable[[], object]) -> Callable[[int], None]:
    """Lets one process do something before its n-th call of a function."""

    def prepare(own: int) -> None:
        original, calls = getattr(place, name), [0]

        def replaced(*arguments: Any, **named: Any) -> Any:
            calls[0] += 1
            if calls[0] == number:
                do()
            return original(*arguments, **named)

        if own == rank:
            PATCH.setattr(place, name, replaced)

    return prepare


def send(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def fail(error: Exception) -> Callable[[], None]:
    def raised() -> None:
        raise error

    return raised


def twice() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)


def only(rank: int, do: Callable[[], object]) -> Callable[[int], object]:
    return lambda own: do() if own == rank else None


def lacking_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, ROOM))


def other_versions() -> None:
    PATCH.setattr(together, "versions", lambda: {"torch": "1.0"})


def other_data() -> None:
    PATCH.setattr(Split, "fingerprint", lambda split: "other")


def scenarios(folder: Path) -> dict[str, Any]:
    """Everything that is tried, in one interpreter."""
    tried: dict[str, Any] = {}
    # Its plots take longer than all the rest.
    PATCH.setattr(command, "_write_page", lambda folder, display: None)

    def begin(name: str, *ranks: int, more: tuple[str, ...] = (), **how: Any) -> Commands:
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "small.toml").write_text(PIPELINE.toml())
        return Commands(folder / name, [*RUN, *more], ranks or (0, 1), **how)

    def run(name: str, *ranks: int, stopped: tuple[int, ...] = (), **how: Any) -> None:
        tried[name] = begin(name, *ranks, **how).end(*stopped)

    def resume(name: str, count: int, like: str) -> None:
        shutil.copytree(folder / like, folder / name)
        run(name, *range(count), more=("--resume",))
        tried[name]["same"] = same_bits(folder / name, folder / "whole")

    run("whole", 0)
    run("killed", prepare=at_call(Processes, "any", 1, 5, send(signal.SIGKILL)))
    resume("killed, resumed by 3", 3, "killed")
    run("killed scoring", prepare=at_call(retrain, "accuracy", 1, 1, send(signal.SIGKILL)))
    run("hangs", stopped=(1,), more=SLOW, prepare=at_call(Processes, "any", 1, 3, send(signal.SIGSTOP)))
    lacking = RuntimeError("DefaultCPUAllocator: can't allocate memory")
    run("no memory", prepare=at_call(Matching, "_work", 1, 5, fail(lacking)))
    run("bug", prepare=at_call(Matching, "_work", 1, 1, fail(KeyError("a bug"))))
    run("Ctrl-C", prepare=at_call(Processes, "any", 1, 5, send(signal.SIGINT)))
    resume("Ctrl-C, resumed by 1", 1, "Ctrl-C")
    run("Ctrl-C twice", prepare=at_call(Processes, "any", 0, 5, twice))
    run("Ctrl-C scoring", prepare=at_call(retrain, "accuracy", 0, 1, send(signal.SIGINT)))
    run("disk full", prepare=only(0, lacking_room))

    (folder / "other").mkdir()
    (folder / "other/small.toml").write_text(PIPELINE.override({"seed": 1}).toml())
    run("other pipeline", prepare=only(1, lambda: os.chdir(folder / "other")))
    run("other versions", prepare=only(1, other_versions))
    run("other threads", prepare=only(1, lambda: torch.set_num_threads(2)))
    run("other data", prepare=only(1, other_data))
    run("unknown key", more=("--set", "decoder.facter=2"))
    run("no time", more=("--timeout", "0"))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    run("by a port", environment=meeting)
    run("by a port, other count", environment=meeting, more=("--processes", "3"))
    run("first killed", environment=meeting, prepare=at_call(Processes, "any", 0, 5, send(signal.SIGKILL)))
    run("no second", 0, count=2, environment=meeting, more=SLOW)
    run("no first", 1, count=2, environment=meeting, more=SLOW)
    run("no address", environment={"MASTER_PORT": "29500"})
    run("no number", environment={**meeting, "MASTER_PORT": "http"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        run("port taken", environment={**meeting, "MASTER_PORT": str(taken.getsockname()[1])})
    waits = at_call(Attendance, "_refuse_failed", 1, 1, (folder / "waits").touch)
    waiting = begin("another run", 0, 1, count=3, environment=meeting, prepare=waits)
    while not (folder / "waits").exists():
        time.sleep(0.01)
    run("port of another run", environment=meeting)
    run("another run", 2, count=3, environment=meeting)
    tried["waited"] = waiting.end()
    return tried


def same_bits(run: Path, other: Path) -> bool:
    ours, theirs = load_file(run / SYNSET), load_file(other / SYNSET)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # Of all workers, of which one tries everything.
        folder = folder.parent
    folder /= "scenarios"
    with FileLock(f"{folder}.lock"):
        if (found := folder / "returned.json").exists():
            return json.loads(found.read_text())
        folder.mkdir()
        return run_forking(scenarios, folder, 250)


def said(outcome: dict[str, Any], codes: list[int], *parts: str) -> None:
    """Check that processes ended with these exit codes and one message that names each part."""
    printed = outcome["printed"]
    assert outcome["codes"] == codes, printed
    assert "Traceback" not in printed
    assert printed.count("error: ") == 1, printed
    names(printed, *parts)


AGAIN = "idc run with --resume"


@pytest.mark.parametrize("name", ["killed", "killed scoring"])
def test_a_killed_process_ends_the_others_which_leave_the_message_to_the_launcher(
    tried: dict[str, Any], name: str
) -> None:
    assert tried[name]["codes"] == [ENDED, -signal.SIGKILL]
    assert tried[name]["printed"] == ""
    assert tried[name]["seconds"] < 60


def test_without_a_launcher_one_of_the_others_says_that_a_process_ended(tried: dict[str, Any]) -> None:
    said(tried["first killed"], [-signal.SIGKILL, 1], "process 0 of 2 ended", AGAIN)


@pytest.mark.parametrize("name", ["killed, resumed by 3", "Ctrl-C, resumed by 1"])
def test_a_run_goes_on_with_the_same_bits_in_another_number(tried: dict[str, Any], name: str) -> None:
    assert set(tried[name]["codes"]) == {0}
    names(tried[name]["printed"], "resuming at inner step")
    assert tried[name]["same"]


def test_a_process_that_hangs_is_named_after_the_timeout(tried: dict[str, Any]) -> None:
    said(tried["hangs"], [LOST, -signal.SIGKILL], "process 1 of 2 showed no progress for 0.05 minutes", AGAIN)


def test_a_process_without_memory_is_named(tried: dict[str, Any]) -> None:
    said(tried["no memory"], [1, 1], "process 1 of 2 on", "not enough memory", "sampler.batch_size")


def test_a_bug_in_one_process_gives_one_traceback(tried: dict[str, Any]) -> None:
    assert tried["bug"]["codes"] == [1, 1]
    assert tried["bug"]["printed"].count("Traceback") == 1
    assert tried["bug"]["printed"].endswith("KeyError: 'a bug'\n")


def test_ctrl_c_in_one_process_stops_all_after_the_same_step(tried: dict[str, Any]) -> None:
    assert tried["Ctrl-C"]["codes"] == [130, 130]
    stopped, again, interrupted = tried["Ctrl-C"]["printed"].splitlines()
    names(stopped, "stopped after 2 of 3 iterations", SYNSET)
    names(again, "resume with: ", "idc run", "--resume")
    assert interrupted == "interrupted"


@pytest.mark.parametrize(
    ("name", "message"),
    [("Ctrl-C twice", "the last checkpoint is kept"), ("Ctrl-C scoring", "the synset is complete")],
)
def test_ctrl_c_that_cannot_wait_is_said_once(tried: dict[str, Any], name: str, message: str) -> None:
    assert tried[name]["codes"] == [130, 1]
    assert tried[name]["printed"].count(message) == 1
    assert tried[name]["printed"].count("interrupted\n") == 1
    assert "error" not in tried[name]["printed"]


def test_a_full_disk_is_said_by_the_process_that_writes(tried: dict[str, Any]) -> None:
    said(tried["disk full"], [1, 1], f"{SYNSET} cannot be written", "free some space", "--resume")
    names(tried["disk full"]["printed"], "no checkpoint can be written", "the run continues")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("other pipeline", ("pipeline.seed", "1, not 0")),
        ("other versions", ("versions.torch", "'1.0', not")),
        ("other threads", ("threads", "2, not 1")),
        ("other data", ("fingerprint", "'other', not")),
    ],
)
def test_processes_that_differ_are_refused(tried: dict[str, Any], name: str, parts: tuple[str, ...]) -> None:
    said(tried[name], [2, 2], "process 1 of 2", *parts, "OMP_NUM_THREADS")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("unknown key", ("facter", "did you mean 'factor'?")),
        ("no time", ("--timeout: 0 is not allowed", "more than 0")),
        ("by a port, other count", ("--processes: 3 is not allowed", "2 were started")),
        ("no address", ("MASTER_ADDR is not set", "host of the first")),
        ("no number", ("MASTER_PORT: 'http' is not allowed",)),
        ("port taken", ("MASTER_PORT: 127.0.0.1:", "address already in use", "another port")),
    ],
)
def test_bad_input_is_said_once(tried: dict[str, Any], name: str, parts: tuple[str, ...]) -> None:
    said(tried[name], [2, 2], *parts)
    assert tried[name]["seconds"] < 60


def test_processes_that_do_not_come_are_named(tried: dict[str, Any]) -> None:
    said(tried["no second"], [2], "process 1 of 2 did not come within 0.05 minutes", "MASTER_ADDR")
    said(tried["no first"], [2], "the first of 2 processes does not listen at 127.0.0.1:", "MASTER_PORT")


def test_the_port_of_another_run_is_left_alone(tried: dict[str, Any]) -> None:
    outcome = tried["port of another run"]
    assert outcome["codes"] == [2, 2], outcome["printed"]
    names(outcome["printed"], "address already in use", "another process with RANK=1 has come already")
    assert tried["waited"]["codes"] == [0, 0], tried["waited"]["printed"]
    assert tried["another run"]["codes"] == [0], tried["another run"]["printed"]


def test_a_port_serves_as_well_as_a_file(tried: dict[str, Any]) -> None:
    assert tried["by a port"]["codes"] == [0, 0]
    assert tried["by a port"]["printed"].count("saved in runs/small") == 1
