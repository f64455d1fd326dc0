"""The folder of a run: what is in it, when it may be written to, and what it goes on from."""

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
from idc.errors import InputError, Notice, RunError
from idc.experiment.report import Report
from idc.files.atomic import previous, write_text
from idc_cli.lock import HOLDER, LOCK, Lock
from idc_cli.log import LOG, Log

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
"""The folder of the synsets that were kept on the way, named by their outer iterations."""
PAGE = "report.html"
SCORES = "synset.evaluations.json"
"""Scores that were taken of an unfinished run's synset by ``idc evaluate``."""
TENSORBOARD = "tensorboard"
"""The folder of the files that TensorBoard reads."""

UNNAMED = ("iterations", "name")
"""Settings that no default folder is named after: a run may be made longer, and its name is the folder's."""

LONGEST = 100
"""Characters of a default folder's name."""


def default_folder(name: str, settings: Mapping[str, object]) -> Path:
    """Where a run is kept that is given no folder: one for each name and settings, so that none collide.

    Args:
        name: the pipeline's.
        settings: that it was changed by; those of a run that is given a name do not count.
    """
    chosen = {} if "name" in settings else settings
    parts = [
        f"{key}-{value if isinstance(value, str) else json.dumps(value)}"
        for key, value in sorted(chosen.items())
        if key not in UNNAMED
    ]
    wanted = "-".join([name, *parts])
    found = re.sub(r"[^A-Za-z0-9_.-]+", "-", wanted).strip("-.")
    if found != wanted or len(found) > LONGEST:
        digest = hashlib.sha256(wanted.encode()).hexdigest()[:8]
        found = f"{found[: LONGEST - 9]}-{digest}"
    return Path("runs") / found


class RunFolder:
    """Where a run of one pipeline keeps what comes of it; a context manager that gives up its lock.

    Args:
        path: the folder; made by `begin`.
        pipeline: whose run it is to hold.
    """

    def __init__(self, path: Path, pipeline: Pipeline) -> None:
        self.path = path
        self._pipeline = pipeline
        self.log = Log(path)
        self._lock = Lock(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __enter__(self) -> Self:
        if self.path.is_dir():
            self._lock.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.give_up()

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
            self._lock.take()
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
                warnings.warn(f"{found[0]}; going on from the one before, {file}", Notice, 2)
            refuse_changes(_experiment(read.header.pipeline), self._wanted(), read.header.step)
            return read
        if found:
            raise InputError(f"--resume: {'; '.join(found)}. Begin anew with --overwrite")
        if self._earlier() and not self._holds_the_same():
            refuse_changes(_experiment(self._held()), self._wanted(), 0)
        return None

    def go_on(self, iterations: int) -> None:
        """Prepare the folder to be gone on in: the pipeline as it is now, the log up to the checkpoint.

        Args:
            iterations: that are done.

        Raises:
            InputError: the folder cannot be written to.
        """
        try:
            for file in [self / REPORT, self / PAGE, *self._leftovers()]:
                file.unlink(missing_ok=True)
            self.log.cut(iterations, scores=self._holds_the_same())
            # Last, because a report and scores are taken for those of the pipeline beside them.
            self._write_pipeline()
        except OSError as error:
            raise InputError(f"--out: cannot write to {self.path} ({error.strerror})") from None

    def snapshot(self, iteration: int) -> Path:
        """Where the synset after so many outer iterations is kept."""
        return self / SNAPSHOTS / f"{iteration:06d}.safetensors"

    def keep(self, condensation: "Condensation", seconds: float) -> None:
        """Write a checkpoint; where that fails, say so and let the run go on."""
        from idc.condensation import checkpoint

        try:
            self._hold_again()
            checkpoint.save(self / CHECKPOINT, condensation, seconds)
        except (OSError, InputError) as error:
            reason = getattr(error, "strerror", None) or error
            warnings.warn(f"no checkpoint could be kept in {self.path} ({reason}); going on", Notice, 2)

    def _hold_again(self) -> None:
        """Make the folder anew if it was removed, unless another run has done so."""
        if (self / PIPELINE).exists() and self._lock.is_ours():
            return
        if (self / PIPELINE).exists() and self._lock.is_held():
            raise RunError(
                f"{self.path} was removed, and {self._lock.holder()} has begun another run in it; this one "
                "ends"
            )
        self._lock.take_anew()
        if not (self / PIPELINE).exists():
            warnings.warn(f"{self.path} was removed; it is made again", Notice, 2)
            self._write_pipeline()

    def _leftovers(self) -> list[Path]:
        # What a process that was killed was writing.
        return [path for path in self.path.glob(".*") if path.name not in (LOCK, HOLDER) and path.is_file()]

    def _write_pipeline(self) -> None:
        write_text(self / PIPELINE, self._pipeline.toml())

    def _earlier(self) -> list[Path]:
        names = (PIPELINE, SYNSET, SCORES, REPORT, PAGE, LOG, PICTURE, CHECKPOINT, PREVIOUS)
        found = [self / name for name in names if (self / name).exists()]
        return [*found, *(self / SNAPSHOTS).glob("[0-9]*.*"), *(self / TENSORBOARD).glob("events.out.*")]

    def _held(self) -> dict[str, Any]:
        try:
            return tomllib.loads((self / PIPELINE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}

    def _holds_the_same(self) -> bool:
        return _experiment(self._held()) == self._wanted()

    def _wanted(self) -> dict[str, Any]:
        return _without_published(self._pipeline.table())


def _experiment(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a run was made with, as this version resolves it."""
    with suppress(InputError):
        table = Pipeline.parse(table).table()
    return _without_published(table)


def _without_published(table: Mapping[str, Any]) -> dict[str, Any]:
    # Which changes nothing but the report.
    return {key: value for key, value in table.items() if key != "published"}
