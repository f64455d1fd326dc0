"""Runs that the command line starts in several processes: the same bits, and what survives when one ends."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from small import small_pipeline

pytestmark = pytest.mark.slow
"""Each process imports torch, which takes seconds."""

LONGEST = 120.0
"""Seconds after which a command is killed."""


def started(*arguments: str, processes: int = 2, **environment: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", "from idc_cli.main import app; app()", *arguments]
    return subprocess.Popen(
        [*words, "--processes", str(processes)] if processes > 1 else words,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and messages of a command that must end."""
    try:
        _, said = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        raise
    assert "Traceback" not in said, said
    return process.returncode, said


def run(*arguments: str, processes: int = 2) -> tuple[int, str]:
    return ended(started("run", "pipeline.toml", *arguments, processes=processes))


def same(first: str, second: str) -> bool:
    one, other = (load_file(Path(each) / "synset.safetensors") for each in (first, second))
    return one.keys() == other.keys() and all(bool((one[name] == other[name]).all()) for name in one)


def write_pipeline() -> None:
    plan = small_pipeline(iterations=12, inner_steps=8, evaluate=[], baseline=[])
    Path("pipeline.toml").write_text(plan.toml(), encoding="utf-8")


def children_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children()


def wait_for(path: Path) -> None:
    until = time.monotonic() + LONGEST
    while not path.exists():
        assert time.monotonic() < until, f"there is no {path}"
        time.sleep(0.05)


def begun(out: str, every: str) -> "subprocess.Popen[str]":
    """A run of two processes that has written a checkpoint, beside one of one process that is finished."""
    write_pipeline()
    assert run("--out", "whole", processes=1)[0] == 0
    process = started("run", "pipeline.toml", "--out", out, "--checkpoint-every", every)
    wait_for(Path(out) / "checkpoint.safetensors")
    return process


def test_a_killed_process_ends_all_once_and_any_number_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = begun("killed", "2")
    victim = children_of(process)[1]
    victim.send_signal(signal.SIGKILL)
    code, said = ended(process)
    assert code == 1
    assert len(re.findall("(?m)^error: ", said)) == 1, said
    assert "1 of 2" in said
    assert "SIGKILL" in said
    assert not Path("killed/report.json").exists()
    assert run("--out", "killed", "--resume", processes=3)[0] == 0
    assert same("whole", "killed")


def test_an_interrupted_run_stops_after_the_step_and_is_resumed_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    process = begun("stopped", "1")
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130
    assert said.count("stopping after this inner step") == 1, said
    assert said.count("resume with:") == 1
    assert Path("stopped/synset.safetensors").exists()
    assert run("--out", "stopped", "--resume", processes=1)[0] == 0
    assert same("whole", "stopped")


def test_bad_input_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pipeline()
    code, said = run("--set", "decoder.factor=20")
    assert code == 2
    assert len(re.findall("(?m)^error: ", said)) == 1, said
    assert "decoder.factor: 20" in said
    assert not Path("runs").exists()
