"""The folder of a run: what is in it, when it may be written to, and what a run resumes from."""

import hashlib
import json
import re
import tomllib
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from idc.config.compatibility import refuse_changes
from idc.config.pipeline import Pipeline
from idc.errors import InputError, Notice, RunError, reason_of
from idc.experiment.report import Report
from idc.files.atomic import leftovers, previous, write_text
from idc.synset.header import read
from idc_cli.run_folder.lock import Lock
from idc_cli.run_folder.log import LOG, Log

if TYPE_CHECKING:
    from idc.condensation.checkpoint import Checkpoint
    from idc.condensation.loop import Condensation

PIPELINE = "pipeline.toml"
SYNSET = "synset.safetensors"
REPORT = "report.json"
PICTURE = "images.png"
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = previous(Path(CHECKPOINT)).name
SNAPSHOTS = "snapshots"
"""Folder of the snapshots, named by their outer iterations."""
PAGE = "report.html"
SCORES = "synset.evaluations.json"
"""Scores of an unfinished run's synset, taken by ``idc evaluate``."""
TENSORBOARD = "tensorboard"
"""Folder of the files that TensorBoard reads."""
FILES = (PIPELINE, SYNSET, SCORES, REPORT, PAGE, LOG, PICTURE, CHECKPOINT, PREVIOUS)
"""Of a run, without those in folders."""

NOT_IN_NAME = ("iterations", "name")
"""Settings left out of a default folder's name: a run may be made longer, and its name comes first."""

FOLDER_NAME_LENGTH = 100
"""Most characters of a default folder's name."""


def default_folder(name: str, settings: Mapping[str, object]) -> Path:
    """The folder of a run without ``--out``: one for each name and settings, so that none collide.

    Args:
        name: the pipeline's.
        settings: by which it was changed; ignored where they set the name.

    Returns:
        A path below ``runs``.
    """
    chosen = {} if "name" in settings else settings
    parts = [
        f"{key}-{value if isinstance(value, str) else json.dumps(value)}"
        for key, value in sorted(chosen.items())
        if key not in NOT_IN_NAME
    ]
    wanted = "-".join([name, *parts])
    found = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-.")
    if found != wanted or len(found) > FOLDER_NAME_LENGTH:
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:8]
        found = f"{found[: FOLDER_NAME_LENGTH - 9]}-{digest}"
    return Path("runs") / found


class RunFolder:
    """The folder that keeps the files of one run; a context manager that acquires and releases its lock.

    Args:
        path: the folder; created by `start`.
        pipeline: of the run.
        writes: whether this process writes to it; of several that compute a run, the first does.
    """

    def __init__(self, path: Path, pipeline: Pipeline, *, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self._pipeline = pipeline
        self.log = Log(path, writes=writes)
        self._lock = Lock(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __enter__(self) -> Self:
        if self.writes and self.path.is_dir():
            self._lock.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def finished(self) -> Report | None:
        """The report of a finished run of this pipeline; None if the folder holds none."""
        try:
            return Report.load(self.path) if self._holds_the_same() else None
        except InputError:
            return None

    def refuse_earlier(self) -> None:
        """Refuse a folder with a run in it, because starting another would delete that one.

        Raises:
            InputError: the folder holds a run.
        """
        if not self._earlier():
            return
        if self._holds_the_same():
            raise InputError(
                f"--out: {self.path} holds an unfinished run of this pipeline; resume it with "
                "--resume, or start again with --overwrite"
            )
        raise InputError(
            f"--out: {self.path} holds another run; choose another folder with --out, or replace it with "
            "--overwrite"
        )

    def start(self, *, replace: bool) -> None:
        """Prepare the folder for a new run: write the resolved pipeline, and delete an earlier run.

        Args:
            replace: whether an earlier run may be deleted; another process may have made one meanwhile.

        Raises:
            InputError: the folder cannot be written to, another process writes to it, or it holds a run
                that may not be deleted.
        """
        if not self.writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
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
        """The newest readable checkpoint of this pipeline's run; None where there is none.

        Raises:
            InputError: the folder holds a run of another pipeline, none of its checkpoints can be read, or it
                holds a finished synset without one, which starting again would delete.
        """
        from idc.condensation import checkpoint

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
                warnings.warn(f"{found[0]}; the previous checkpoint is used, {file}", Notice, 2)
            refuse_changes(_experiment(read.header.pipeline), self._wanted(), read.header.step)
            return read
        if found:
            raise InputError(f"--resume: {'; '.join(found)}. Start again with --overwrite")
        if self._earlier() and not self._holds_the_same():
            refuse_changes(_experiment(self._held()), self._wanted(), 0)
        if self._holds_a_finished_synset():
            raise InputError(
                f"--resume: {self.path} holds a finished synset, but no checkpoint to go on from; choose "
                "another folder with --out, or start again with --overwrite"
            )
        return None

    def resume(self, iterations: int) -> None:
        """Prepare the folder for a resumed run: the pipeline as it is now, the log up to the checkpoint.

        Args:
            iterations: outer iterations done.

        Raises:
            InputError: the folder cannot be written to.
        """
        if not self.writes:
            return
        try:
            for file in [self / REPORT, self / PAGE, *self._leftovers()]:
                file.unlink(missing_ok=True)
            self.log.truncate(iterations, keep_scores=self._holds_the_same())
            # Last, because a report and scores count as those of the pipeline beside them.
            self._write_pipeline()
        except OSError as error:
            raise InputError(
                f"--out: cannot write to {self.path} ({error.strerror}); make the folder writable"
            ) from None

    def snapshot(self, iteration: int) -> Path:
        """Path of the synset after a number of outer iterations."""
        return self / SNAPSHOTS / f"{iteration:06d}.safetensors"

    def save_checkpoint(self, condensation: "Condensation", seconds: float) -> None:
        """Write a checkpoint; if that fails, warn and let the run continue. All processes of the run call it.

        Args:
            condensation: as far as it has come.
            seconds: since the run started, without interruptions.

        Raises:
            RunError: the folder was removed, and another process has started a run in it.
        """
        from idc.condensation import checkpoint

        # First, because it exchanges something: what fails here must not keep the others waiting.
        state = condensation.state()
        if state is None or not self.writes:
            return
        try:
            self._restore_if_removed()
            checkpoint.write(self / CHECKPOINT, condensation, state, seconds)
        except (OSError, InputError) as error:
            message = f"no checkpoint can be written to {self.path} ({reason_of(error)}); the run continues"
            warnings.warn(message, Notice, 2)

    def _restore_if_removed(self) -> None:
        """Create the folder again if it was removed, unless another run has done so."""
        if (self / PIPELINE).exists() and self._lock.is_ours():
            return
        if (self / PIPELINE).exists() and self._lock.is_held():
            raise RunError(
                f"{self.path} was removed, and {self._lock.holder()} has started another run in it; this "
                "one stops"
            )
        self._lock.reacquire()
        if not (self / PIPELINE).exists():
            warnings.warn(f"{self.path} was removed; it is created again", Notice, 2)
            self._write_pipeline()

    def _leftovers(self) -> list[Path]:
        # Nothing else that begins with a dot: the folder may be one that holds more than a run.
        return [path for name in FILES for path in leftovers(self / name)]

    def _write_pipeline(self) -> None:
        write_text(self / PIPELINE, self._pipeline.toml())

    def _earlier(self) -> list[Path]:
        found = [self / name for name in FILES if (self / name).exists()]
        return [*found, *(self / SNAPSHOTS).glob("[0-9]*.*"), *(self / TENSORBOARD).glob("events.out.*")]

    def _held(self) -> dict[str, Any]:
        try:
            return tomllib.loads((self / PIPELINE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _holds_the_same(self) -> bool:
        return _experiment(self._held()) == self._wanted()

    def _holds_a_finished_synset(self) -> bool:
        try:
            header = read(self / SYNSET).header
        except InputError:
            return False
        return 0 < header.planned <= header.iterations

    def _wanted(self) -> dict[str, Any]:
        return _without_published(self._pipeline.table())


def _experiment(table: Mapping[str, Any]) -> dict[str, Any]:
    """The pipeline of an earlier run, as this version resolves it."""
    with suppress(InputError):
        table = Pipeline.parse(table).table()
    return _without_published(table)


def _without_published(table: Mapping[str, Any]) -> dict[str, Any]:
    # It changes nothing but the report.
    return {key: value for key, value in table.items() if key != "published"}
