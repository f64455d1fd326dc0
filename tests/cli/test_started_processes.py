"""Faults of processes that `idc run --processes` and torchrun start, as users start them."""

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from command_line import names, succeeded
from small import small_pipeline
from started import IDC, TORCHRUN, Started

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*was killed while it held the lock")]

RUN = ("run", "small.toml", "--device", "cpu", "--quiet", "--checkpoint-every", "1")
TWO = (*IDC, *RUN, "--processes", "2")
TORCHRUN_TWO = (*TORCHRUN, "--nproc-per-node", "2", "--standalone")
UNDER_TORCHRUN = (*TORCHRUN_TWO, "idc", *RUN)
FOLDER = Path("runs/small")
LOG = FOLDER / "log.jsonl"
"""Is there when it condenses."""
AGAIN = "idc run with --resume"
KILLS = 2
"""At random moments."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole")
    pipeline(folder)
    torch.set_num_threads(1)
    succeeded("run", str(folder / "small.toml"), "--device", "cpu", "--quiet", "--out", str(folder / "run"))
    return folder / "run"


@pytest.fixture(autouse=True)
def _pipeline(workplace: Path) -> None:
    pipeline(workplace)


def pipeline(folder: Path) -> None:
    dataset = {"type": "digits", "size": 8, "limit": 20, "classes": ["1", "4", "7"]}
    evaluate = [{"type": "retrain", "runs": 2, "epochs": 30}]
    small = small_pipeline(dataset=dataset, iterations=12, inner_steps=4, evaluate=evaluate)
    (folder / "small.toml").write_text(small.toml())


def start(*words: str, **environment: str) -> Started:
    return Started.of(Path("printed.txt"), *words, **environment)


def scores(folder: Path) -> list[Any]:
    return [each["values"] for each in json.loads((folder / "report.json").read_text())["evaluations"]]


def check_same(whole: Path) -> None:
    ours, theirs = (load_file(folder / "synset.safetensors") for folder in (FOLDER, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert scores(FOLDER) == scores(whole)


def check_resumes(whole: Path) -> None:
    # Here, where torch need not be imported again.
    torch.set_num_threads(1)
    succeeded(*RUN, "--resume")
    check_same(whole)


def said(output: str, *parts: str) -> None:
    """Check that there is one message, which names each part."""
    assert output.count("error: ") == 1, output
    assert "Traceback" not in output
    assert "c10d" not in output
    names(output, *parts)


def test_processes_killed_at_random_moments(whole: Path) -> None:
    draw, began = random.Random(1), time.monotonic()
    assert start(*TWO).end() == 0
    seconds = time.monotonic() - began
    FOLDER.rename("finished")
    for _ in range(KILLS):
        started = start(*TWO, "--resume")
        time.sleep(draw.uniform(0, seconds))
        if ranks := list(started.ranks().values()):
            draw.choice(ranks).kill()
        code = started.end()
        assert code in (0, 1), started.output
        assert ("ended by SIGKILL" in started.output) == (code == 1)
        assert started.output.count("error: ") == code, started.output
    check_resumes(whole)


def test_all_killed(whole: Path) -> None:
    started = start(*TWO)
    started.wait_for(LOG)
    for each in started.ranks().values():
        each.kill()
    assert started.end() == 1
    said(started.output, "processes 0, 1 of 2 ended by SIGKILL", AGAIN)
    check_resumes(whole)


def test_the_launcher_killed(whole: Path) -> None:
    started = start(*TWO)
    started.wait_for(LOG)
    ranks = list(started.ranks().values())
    started.process.kill()
    assert started.end() == -signal.SIGKILL
    _, alive = psutil.wait_procs(ranks, timeout=60)
    assert not alive
    check_resumes(whole)


def test_a_signal_stops_torchrun_after_the_step(whole: Path) -> None:
    started = start(*UNDER_TORCHRUN)
    started.wait_for(LOG)
    started.process.send_signal(signal.SIGINT)
    # Always torchrun's.
    assert started.end() == 1
    for message in (
        "stopping after this inner step",
        "the codes so far are in",
        "resume with: ",
        "\ninterrupted\n",
    ):
        assert started.output.count(message) == 1, started.output
    assert "error: " not in started.output
    check_resumes(whole)


def test_two_signals_end_torchrun_at_once(whole: Path) -> None:
    started = start(*UNDER_TORCHRUN)
    started.wait_for(LOG)
    for _ in range(2):
        started.process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    began = time.monotonic()
    assert started.end() == 1
    assert time.monotonic() - began < 25
    assert started.output.count("\ninterrupted\n") == 1, started.output
    assert "error: " not in started.output
    check_resumes(whole)


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_signal_before_the_processes_have_met(seconds: float) -> None:
    started = start(*TWO)
    while len(started.ranks()) < 2:
        time.sleep(0.01)
    time.sleep(seconds)
    started.process.send_signal(signal.SIGINT)
    assert started.end() == 130
    assert started.output == "interrupted\n"


def test_torchrun_restarts_after_a_killed_process(whole: Path) -> None:
    started = start(*TORCHRUN_TWO, "--max-restarts", "3", "idc", *RUN, "--resume")
    started.wait_for(LOG)
    started.ranks()[1].kill()
    assert started.end() == 0, started.output
    check_same(whole)
