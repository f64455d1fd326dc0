"""Real processes that compute together, for tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from idc.runtime.rendezvous import FILE

LONGEST = 120.0
"""Seconds after which processes are killed; importing torch takes several."""


def outputs_of(program: str, *arguments: str, processes: int) -> list[Any]:
    """The last line, as JSON, that each process prints.

    Args:
        program: Python that every process runs.
        arguments: in ``sys.argv``.
        processes: how many are started.
    """
    with TemporaryDirectory() as folder:
        started: list[subprocess.Popen[str]] = []
        for rank in range(processes):
            place = {"RANK": rank, "WORLD_SIZE": processes, "LOCAL_RANK": rank, "OMP_NUM_THREADS": 1}
            environment = {
                **os.environ,
                **{name: str(value) for name, value in place.items()},
                FILE: str(Path(folder) / "rendezvous"),
            }
            started.append(
                subprocess.Popen(
                    [sys.executable, "-c", program, *arguments],
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
        try:
            said = [process.communicate(timeout=LONGEST) for process in started]
        finally:
            for process in started:
                process.kill()
    for process, (_, errors) in zip(started, said, strict=True):
        assert process.returncode == 0, errors
    return [json.loads(output.splitlines()[-1]) for output, _ in said]
