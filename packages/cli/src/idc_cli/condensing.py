"""The caller that drives a condensation: progress, log, checkpoints, and what is kept however it ends."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from idc import artifact, memory
from idc.engine import Condensation
from idc.errors import InputError, RunError
from idc.history import recorded, scalars
from idc.synset import Synset
from idc_cli.folder import PICTURE, SYNSET, RunFolder
from idc_cli.interruption import asked_to_stop
from idc_cli.interval import Interval
from idc_cli.progress import Display, Fact, Track

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

TENSORBOARD = "tensorboard"


def tracker(folder: RunFolder) -> "SummaryWriter":
    """A writer of TensorBoard's files below a run folder.

    Raises:
        InputError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard: TensorBoard is not installed; pip install tensorboard, or leave the flag out"
        ) from None
    return SummaryWriter(folder / TENSORBOARD)


def condensed(
    condensation: Condensation,
    folder: RunFolder,
    checkpoint_every: Interval,
    spent: float,
    display: Display,
    *,
    tensorboard: bool,
) -> tuple[Synset, float]:
    """The synset, and the seconds it took altogether; both it and its picture are then in the folder.

    Args:
        condensation: as far as it has come.
        folder: of the run.
        checkpoint_every: how often what to go on from is kept.
        spent: seconds, by an earlier process.
        display: for the progress.
        tensorboard: whether the curves are written for TensorBoard too.
    """
    began = time.monotonic() - spent
    try:
        _drive(condensation, folder, checkpoint_every, began, display, tensorboard=tensorboard)
    except KeyboardInterrupt:
        done = f"{condensation.iteration} of {condensation.pipeline.iterations} iterations"
        _saved(condensation, folder / SYNSET, time.monotonic() - began)
        display.say(f"stopped after {done}; the codes so far are in {folder / SYNSET}")
        raise
    except RunError as error:
        _saved(condensation, folder / SYNSET, time.monotonic() - began)
        raise RunError(f"{error}, and are in {folder / SYNSET}") from error
    spent = time.monotonic() - began
    # So that more iterations can follow, and an interrupted evaluation need not condense again.
    folder.keep(condensation, spent)
    synset = _saved(condensation, folder / SYNSET, spent)
    # Not at the top: torchvision takes seconds to import, which the first iteration need not wait for.
    from idc import pictures

    try:
        pictures.save(pictures.grid(synset), folder / PICTURE)
    except OSError as error:
        display.say(f"note: {folder / PICTURE} cannot be written ({error.strerror}); going on")
    return synset, spent


def _drive(
    condensation: Condensation,
    folder: RunFolder,
    checkpoint_every: Interval,
    began: float,
    display: Display,
    *,
    tensorboard: bool,
) -> None:
    plan, before = condensation.pipeline, condensation.steps_done
    due = checkpoint_every.started(condensation.iteration)
    writer = tracker(folder) if tensorboard else None
    if plan.snapshot_every and not before:
        _saved(condensation, folder.snapshot(0), 0.0)
    with (
        display.track("condense", max(len(condensation), 1), before) as track,
        asked_to_stop() as stopping,
    ):
        for step, finished in recorded(condensation):
            if track.advance(condensation.steps_done):
                track.show(**_facts(condensation, float(step.loss), track))
            if finished is not None:
                spent = time.monotonic() - began
                folder.log.iterated(finished, spent)
                if writer is not None:
                    for name, value in scalars(finished).items():
                        writer.add_scalar(name, value, finished.iteration)
                if plan.snapshot_every and condensation.iteration % plan.snapshot_every == 0:
                    _saved(condensation, folder.snapshot(condensation.iteration), spent)
            stop = stopping()
            if due(condensation.iteration) or stop:
                folder.keep(condensation, time.monotonic() - began)
            if stop:
                raise KeyboardInterrupt
    if writer is not None:
        writer.close()


def _facts(condensation: Condensation, loss: float, track: Track) -> dict[str, Fact]:
    plan = condensation.pipeline
    facts: dict[str, Fact] = {
        "of": f"iteration {min(condensation.iteration + 1, plan.iterations)}/{plan.iterations}",
        "loss": loss,
    }
    if track.rate:
        facts["images_per_second"] = round(track.rate * condensation.images_per_step, 1)
    if held := memory.used(condensation.device):
        facts["memory"] = held
    return facts


def _saved(condensation: Condensation, path: Path, seconds: float) -> Synset:
    synset = condensation.synset(seconds, artifact.commit())
    try:
        synset.save(path)
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error.strerror}); make room and go on with --resume"
        ) from None
    return synset
