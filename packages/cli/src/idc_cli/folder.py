"""The folder of a run: what is in it, and when it may be written to."""

import json
import tomllib
from pathlib import Path
from typing import Any

from idc.errors import InputError
from idc.pipeline import Pipeline
from idc.report import Report
from idc.tensorfile import write_atomically

PIPELINE = "pipeline.toml"
SYNSET = "synset.safetensors"
REPORT = "report.json"
LOG = "log.jsonl"
PICTURE = "images.png"


class RunFolder:
    """Where a run of one pipeline keeps what comes of it.

    Args:
        path: the folder; made by `begin`.
        pipeline: whose run it is to hold.
    """

    def __init__(self, path: Path, pipeline: Pipeline) -> None:
        self.path = path
        self._pipeline = pipeline

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def finished(self) -> Report | None:
        """The report, if the folder holds a finished run of this pipeline."""
        try:
            return Report.load(self.path) if self._holds_the_same() else None
        except InputError:
            return None

    def refuse_earlier(self) -> None:
        """Refuse a folder with a run in it, since beginning another would lose that one.

        Raises:
            InputError: there is one.
        """
        if self._earlier():
            what = "an unfinished run of this pipeline" if self._holds_the_same() else "another run"
            raise InputError(
                f"--out: {self.path} holds {what}; choose another folder with --out, or replace it with "
                "--overwrite"
            )

    def begin(self) -> None:
        """Remove an earlier run and write the resolved pipeline.

        Raises:
            InputError: the folder cannot be written to.
        """
        try:
            for file in self._earlier():
                file.unlink()
            write_atomically(
                self / PIPELINE, lambda file: file.write_text(self._pipeline.toml(), encoding="utf-8")
            )
        except OSError as error:
            raise InputError(
                f"--out: cannot write to {self.path} ({error.strerror}); choose another folder"
            ) from None

    def log(self, **entry: Any) -> None:
        """Append a line to the log."""
        with (self / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _earlier(self) -> list[Path]:
        names = (PIPELINE, SYNSET, REPORT, LOG, PICTURE)
        return [self / name for name in names if (self / name).exists()]

    def _holds_the_same(self) -> bool:
        try:
            held = tomllib.loads((self / PIPELINE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return held == tomllib.loads(self._pipeline.toml())
