"""Runs that are broken in every way end with the same bits, as the committed script tries it."""

import subprocess
import sys

import pytest

from repository import ROOT

SCRIPT = ROOT / "benchmarks" / "faults.py"


@pytest.mark.slow
def test_runs_survive() -> None:
    outcome = subprocess.run(
        [sys.executable, str(SCRIPT), "--kills", "10", "--seed", "1"], capture_output=True, text=True
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "10       10     10/10" in outcome.stdout
