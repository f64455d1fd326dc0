"""Real processes of a command in a folder, for tests: what they print, and signals for them."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LONGEST = 200.0
"""Seconds after which all processes are killed."""

IDC = [sys.executable, "-c", "from idc_cli.main import app; app()"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--no-python"]


@dataclass
class Started:
    """A command that was started, and all that it starts."""

    process: "subprocess.Popen[str]"
    printed: Path
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, printed: Path, *words: str, **environment: str) -> "Started":
        """Start a command with one thread for each process.

        Args:
            printed: file for everything that is printed.
            words: of the command line.
            environment: more variables.
        """
        with printed.open("w") as file:
            process = subprocess.Popen(
                words,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
                # A shell's background jobs ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
                text=True,
            )
        return cls(process, printed)

    @property
    def output(self) -> str:
        return self.printed.read_text()

    def ranks(self) -> dict[int, psutil.Process]:
        """The processes that compute, by rank."""
        found: dict[int, psutil.Process] = {}
        for each in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if "RANK" in (variables := each.environ()):
                    found[int(variables["RANK"])] = each
            except psutil.Error:
                continue
        return found

    def wait_for(self, file: Path) -> None:
        """Until there is a file, or the command has ended."""
        while self.process.poll() is None and time.monotonic() - self.began < LONGEST:
            if file.exists():
                return
            time.sleep(0.005)

    def end(self) -> int:
        """The exit code; kills everything, and fails, where something hangs or is left over."""
        everything = psutil.Process(self.process.pid).children(recursive=True) if self._runs() else []
        try:
            code = self.process.wait(max(1.0, LONGEST - (time.monotonic() - self.began)))
        except subprocess.TimeoutExpired:
            code = None
            everything += psutil.Process(self.process.pid).children(recursive=True)
            self.process.kill()
        _, alive = psutil.wait_procs(everything, timeout=5)
        for each in alive:
            each.kill()
        assert code is not None, f"it hangs; {self.output}"
        assert not alive, f"left over: {alive}; {self.output}"
        return code

    def _runs(self) -> bool:
        return self.process.poll() is None
