"""The folder of a run: what is in it, when it may be written to, and what it goes on from."""

import json
import os
import socket
import tomllib
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from idc.errors import InputError, Notice, RunError
from idc.pipeline import Pipeline
from idc.report import Evaluation, Report
from idc.resuming import refuse_changes
from idc.tensorfile import previous, write_atomically

if TYPE_CHECKING:
    from idc.checkpoint import Checkpoint
    from idc.engine import Condensation

PIPELINE = "pipeline.toml"
SYNSET = "synset.safetensors"
REPORT = "report.json"
LOG = "log.jsonl"
PICTURE = "images.png"
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = previous(Path(CHECKPOINT)).name
LOCK = ".lock"
HOLDER = ".lock.json"
"""Who holds the lock, for messages."""


EVALUATIONS = TypeAdapter(list[Evaluation])


class RunFolder:
    """Where a run of one pipeline keeps what comes of it; a context manager that gives up its lock.

    Args:
        path: the folder; made by `begin`.
        pipeline: whose run it is to hold.
    """

    def __init__(self, path: Path, pipeline: Pipeline) -> None:
        self.path = path
        self._pipeline = pipeline
        self._lock = FileLock(path / LOCK, timeout=0)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __enter__(self) -> Self:
        if self.path.is_dir():
            self._hold()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock.is_locked:
            if self._is_ours():
                for name in (HOLDER, LOCK):
                    with suppress(OSError):
                        (self / name).unlink()
            self._lock.release()

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
        if not self._earlier():
            return
        if self._holds_the_same():
            raise InputError(
                f"--out: {self.path} holds an unfinished run of this pipeline; --resume goes on with it, "
                "and --overwrite begins anew"
            )
        raise InputError(
            f"--out: {self.path} holds another run; choose another folder with --out, or replace it with "
            "--overwrite"
        )

    def begin(self, *, replace: bool) -> None:
        """Write the resolved pipeline, in place of an earlier run if there is one.

        Args:
            replace: whether there may be one; another process may have made it since this one looked.

        Raises:
            InputError: the folder cannot be written to, another process writes to it, or it holds a run.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._hold()
            if not replace:
                self.refuse_earlier()
            # The pipeline first, without which nothing counts as a run.
            for file in [*self._earlier(), *self._leftovers()]:
                file.unlink()
            self._write_pipeline()
        except OSError as error:
            raise InputError(
                f"--out: cannot write to {self.path} ({error.strerror}); choose another folder"
            ) from None

    def checkpoint(self) -> "Checkpoint | None":
        """What a run of this pipeline in the folder goes on from; None where nothing was kept.

        Raises:
            InputError: the folder holds a run of another pipeline, or checkpoints of which none is whole.
        """
        from idc import checkpoint

        found: list[str] = []
        for file in (self / CHECKPOINT, self / PREVIOUS):
            if not file.exists():
                continue
            try:
                read = checkpoint.read(file)
            except InputError as error:
                found.append(str(error))
                continue
            if found:
                warnings.warn(f"{found[0]}; going on from the one before, {file}", Notice, 2)
            refuse_changes(read.facts.pipeline, self._pipeline.table(), read.facts.step)
            return read
        if found:
            raise InputError(f"--resume: {'; '.join(found)}. Begin anew with --overwrite")
        if self._earlier() and not self._holds_the_same():
            refuse_changes(self._held(), self._pipeline.table(), 0)
        return None

    def go_on(self, iterations: int) -> None:
        """Prepare the folder to be gone on in: the pipeline as it is now, the log up to the checkpoint.

        Args:
            iterations: that are done.

        Raises:
            InputError: the folder cannot be written to.
        """
        kept = [
            entry
            for entry in self._entries()
            if entry.get("phase") == "condense" and int(entry.get("iteration", 0)) <= iterations
        ]
        if self._holds_the_same():
            kept += [entry for entry in self._entries() if entry.get("phase") == "evaluate"]
        text = "".join(json.dumps(entry) + "\n" for entry in kept)
        try:
            for file in [self / REPORT, *self._leftovers()]:
                file.unlink(missing_ok=True)
            write_atomically(self / LOG, lambda file: file.write_text(text, encoding="utf-8"))
            # Last, because a report and scores are taken for those of the pipeline beside them.
            self._write_pipeline()
        except OSError as error:
            raise InputError(f"--out: cannot write to {self.path} ({error.strerror})") from None

    def scored(self) -> list[list[Evaluation]]:
        """The evaluations of each contender, in their order, as far as the log has them."""
        found: list[list[Evaluation]] = []
        for entry in self._entries():
            if entry.get("phase") == "evaluate" and entry.get("contender") == len(found):
                with suppress(ValidationError):
                    found.append(EVALUATIONS.validate_python(entry.get("evaluations")))
        return found

    def keep(self, condensation: "Condensation", seconds: float) -> None:
        """Write a checkpoint; where that fails, say so and let the run go on."""
        from idc import checkpoint

        try:
            self._hold_again()
            checkpoint.save(self / CHECKPOINT, condensation, seconds)
        except (OSError, InputError) as error:
            reason = getattr(error, "strerror", None) or error
            warnings.warn(f"no checkpoint could be kept in {self.path} ({reason}); going on", Notice, 2)

    def log(self, **entry: Any) -> None:
        """Append a line to the log; where that fails, say so and let the run go on."""
        try:
            with (self / LOG).open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            warnings.warn(f"{self / LOG} cannot be written ({error.strerror}); going on", Notice, 2)

    def _hold(self) -> None:
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(
                f"--out: {self.path} is being written to by {self._holder()}; wait for it, stop it, or "
                "choose another folder with --out"
            ) from None
        except OSError as error:
            raise InputError(
                f"--out: cannot write to {self.path} ({error.strerror}); choose another folder"
            ) from None
        if (self / HOLDER).exists():
            warnings.warn(f"{self._holder()} ended without giving up {self.path}; it was killed", Notice, 2)
        # Only for messages, and on a full disk there is no room for it.
        with suppress(OSError):
            (self / HOLDER).write_text(json.dumps(_ourselves()), encoding="utf-8")

    def _hold_again(self) -> None:
        """Make the folder anew if it was removed, unless another run has done so."""
        if (self / PIPELINE).exists() and self._is_ours():
            return
        if (self / PIPELINE).exists() and (self / HOLDER).exists():
            raise RunError(
                f"{self.path} was removed, and {self._holder()} has begun another run in it; this one ends"
            )
        self._lock.release()
        self.path.mkdir(parents=True, exist_ok=True)
        self._hold()
        if not (self / PIPELINE).exists():
            warnings.warn(f"{self.path} was removed; it is made again", Notice, 2)
            self._write_pipeline()

    def _is_ours(self) -> bool:
        return self._facts_of_holder() == _ourselves()

    def _holder(self) -> str:
        facts = self._facts_of_holder()
        return f"process {facts.get('pid')} on {facts.get('host')}" if facts else "another process"

    def _facts_of_holder(self) -> dict[str, Any]:
        try:
            facts = json.loads((self / HOLDER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}

    def _leftovers(self) -> list[Path]:
        # What a process that was killed was writing.
        return [path for path in self.path.glob(".*") if path.name not in (LOCK, HOLDER) and path.is_file()]

    def _write_pipeline(self) -> None:
        write_atomically(
            self / PIPELINE, lambda file: file.write_text(self._pipeline.toml(), encoding="utf-8")
        )

    def _entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with suppress(OSError):
            for line in (self / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
                # The last line may be torn.
                with suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        found.append(entry)
        return found

    def _earlier(self) -> list[Path]:
        names = (PIPELINE, SYNSET, REPORT, LOG, PICTURE, CHECKPOINT, PREVIOUS)
        return [self / name for name in names if (self / name).exists()]

    def _held(self) -> dict[str, Any]:
        try:
            return tomllib.loads((self / PIPELINE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _holds_the_same(self) -> bool:
        return self._held() == tomllib.loads(self._pipeline.toml())


def _ourselves() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname()}
