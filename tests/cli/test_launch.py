"""How many processes are started on a machine, and how they end together."""

import os
import signal
import subprocess
import sys

import pytest
import torch

from idc.runtime.place import ENDED, LOST
from idc_cli import launch


@pytest.mark.parametrize(("device", "count"), [("auto", 3), ("cuda", 3), ("cpu", 12)])
def test_there_is_one_for_each_gpu_that_is_used_or_each_core(
    device: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "GPU_DRIVERS", (os.devnull,))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(launch, "_cores", lambda: 12)
    assert launch.counted("auto", device) == count
    assert launch.counted("5", device) == 5


def python(code: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code])


ENDLESS = "import time; time.sleep(60)"


@pytest.mark.parametrize("code", [ENDED, LOST, 1, -signal.SIGKILL])
def test_processes_that_go_on_without_another_are_killed(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "GRACE", 0.2)
    end = f"import os; os.kill(os.getpid(), {-code})" if code < 0 else f"raise SystemExit({code})"
    # The first is the one that hangs: the others must be looked at too.
    running = [python(ENDLESS), python(end)]
    assert launch.end_together(running, [], 0.3) == {0}
    assert [each.returncode for each in running] == [-signal.SIGKILL, code]


@pytest.mark.parametrize("code", [0, 130])
def test_the_first_may_go_on_when_the_others_are_done(code: int) -> None:
    running = [python("import time; time.sleep(1)"), python(f"raise SystemExit({code})")]
    assert launch.end_together(running, [], 0.0) == set()


def test_processes_that_go_on_after_two_signals_are_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "GRACE", 0.1)
    running = [python(ENDLESS), python(ENDLESS)]
    assert launch.end_together(running, [signal.SIGINT, signal.SIGINT], 100.0) == {0, 1}
