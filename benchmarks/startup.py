"""How long until something happens: ``idc --help``, and the first iteration of the quick start.

uv run python benchmarks/startup.py | tee benchmarks/results/startup.txt
"""

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from cases import machine

ROUNDS = 7
QUICK_START = Path(__file__).parent.parent / "pipelines" / "digits.toml"


def seconds_of_help() -> float:
    began = time.perf_counter()
    subprocess.run(["idc", "--help"], capture_output=True, check=True)
    return time.perf_counter() - began


def seconds_to_first_iteration() -> float:
    """From the command to the first line of the run's log."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        began = time.perf_counter()
        with subprocess.Popen(["idc", "run", QUICK_START, "--out", folder, "--quiet"]) as run:
            while not (log.is_file() and log.read_bytes()):
                if run.poll() is not None:
                    raise SystemExit(
                        f"the quick start ended with {run.returncode} before its first iteration"
                    )
                time.sleep(0.02)
            elapsed = time.perf_counter() - began
            run.kill()
    return elapsed


def main() -> None:
    print(machine(torch.device("cpu")))
    for what, measure, rounds in (
        ("idc --help", seconds_of_help, ROUNDS),
        ("idc run pipelines/digits.toml, first iteration", seconds_to_first_iteration, 3),
    ):
        times = [measure() for _ in range(rounds)]
        print(f"{what}: {statistics.median(times):.2f} s (median of {rounds})")


if __name__ == "__main__":
    main()
