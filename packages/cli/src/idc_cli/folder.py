"""The folder of a run: what is in it, and when it may be written to."""

import json
import tomllib
from pathlib import Path
from typing import Any

from idc.artifact import write_atomically
from idc.errors import InputError
from idc.pipeline import Pipeline

PIPELINE = "pipeline.toml"
SYNSET = "synset.safetensors"
REPORT = "report.json"
LOG = "log.jsonl"
PICTURE = "images.png"


class RunFolder:
    """A run's folder, which holds the resolved pipeline from the beginning.

    Args:
        path: the folder; made if it is not there.
        pipeline: whose run it holds.
        overwrite: replace the run of another pipeline.

    Raises:
        InputError: the folder holds the run of another pipeline, or cannot be written to.
    """

    def __init__(self, path: Path, pipeline: Pipeline, *, overwrite: bool) -> None:
        self.path = path
        earlier = [path / name for name in (PIPELINE, SYNSET, REPORT, LOG, PICTURE) if (path / name).exists()]
        if earlier and not overwrite and not self._holds(pipeline):
            raise InputError(
                f"--out: {path} holds the run of another pipeline; choose another folder with --out, or "
                "replace it with --overwrite"
            )
        try:
            for file in earlier:
                file.unlink()
            write_atomically(path / PIPELINE, lambda file: file.write_text(pipeline.toml(), encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"--out: cannot write to {path} ({error.strerror}); choose another folder"
            ) from None

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def log(self, **entry: Any) -> None:
        """Append a line to the log."""
        with (self.path / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _holds(self, pipeline: Pipeline) -> bool:
        # A run of the same pipeline gives the same result, so beginning it again loses nothing.
        try:
            held = tomllib.loads((self.path / PIPELINE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return held == tomllib.loads(pipeline.toml())
