"""Which processes of a machine still run."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from idc.runtime.attendance import _found, _runs  # pyright: ignore[reportPrivateUsage]


def test_a_process_runs_whatever_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    own = _found(os.getpid())
    now = psutil.boot_time()
    monkeypatch.setattr("psutil.boot_time", lambda: now + 3600)
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: now + 3600)
    assert _runs(own)


def test_a_process_that_has_ended_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = _found(process.pid)
        assert _runs(found)
        process.kill()
        until = time.monotonic() + 10
        # Not waited for, and so a zombie.
        while _runs(found) and time.monotonic() < until:
            time.sleep(0.01)
        assert not _runs(found)
    assert not _runs(found)
    assert not _runs(_found(process.pid))
