"""The caller that drives a condensation: progress, log, checkpoints, and what is kept however it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from idc.condensation.loop import Condensation
from idc.errors import InputError, RunError
from idc.experiment.history import recorded, scalars
from idc.experiment.report import Iteration
from idc.runtime import memory
from idc.synset.provenance import commit
from idc.synset.synset import Synset
from idc_cli.folder import PICTURE, SYNSET, TENSORBOARD, RunFolder
from idc_cli.interruption import asked_to_stop
from idc_cli.interval import Interval
from idc_cli.progress import Display, Fact, Track


def refuse_without_tensorboard() -> None:
    """Refuse to write for TensorBoard where it is not installed.

    Raises:
        InputError: it is not.
    """
    if find_spec("tensorboard") is None:
        raise InputError(
            "--tensorboard: TensorBoard is not installed; pip install tensorboard, or leave the flag out"
        )


@contextmanager
def _curves(folder: Path | None) -> Iterator[Callable[[Iteration], None]]:
    """Writes iterations for TensorBoard, or where there is no folder does nothing."""
    if folder is None:
        yield lambda iteration: None
        return
    # Not at the top: it is an optional dependency, and takes seconds.
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:

        def write(iteration: Iteration) -> None:
            for name, value in scalars(iteration).items():
                writer.add_scalar(name, value, iteration.iteration)

        yield write


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
        _saved(condensation, folder, time.monotonic() - began)
        display.say(f"stopped after {done}; the codes so far are in {folder / SYNSET}")
        raise
    except RunError as error:
        _saved(condensation, folder, time.monotonic() - began)
        raise RunError(f"{error}, and are in {folder / SYNSET}") from error
    spent = time.monotonic() - began
    # So that more iterations can follow, and an interrupted evaluation need not condense again.
    folder.keep(condensation, spent)
    synset = _saved(condensation, folder, spent)
    # Not at the top: torchvision takes seconds to import, which the first iteration need not wait for.
    from idc.synset import pictures

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
    before = condensation.steps_done
    due = checkpoint_every.started(condensation.iteration)
    if not before:
        _keep_snapshot(condensation, folder, 0.0, display)
    with (
        display.track("condense", max(len(condensation), 1), before) as track,
        _curves(folder / TENSORBOARD if tensorboard else None) as draw,
        asked_to_stop() as stopping,
    ):
        for step, finished in recorded(condensation):
            if track.advance(condensation.steps_done):
                track.show(**_facts(condensation, float(step.loss), track))
            if finished is not None:
                spent = time.monotonic() - began
                folder.log.iterated(finished, spent)
                draw(finished)
                _keep_snapshot(condensation, folder, spent, display)
            stop = stopping()
            if due(condensation.iteration) or stop:
                folder.keep(condensation, time.monotonic() - began)
            if stop:
                raise KeyboardInterrupt


def _keep_snapshot(condensation: Condensation, folder: RunFolder, seconds: float, display: Display) -> None:
    """Keep the synset as it is, if the pipeline wants to know of this iteration."""
    every = condensation.pipeline.snapshot_every
    if every is None or condensation.iteration % every:
        return
    path = folder.snapshot(condensation.iteration)
    try:
        condensation.synset(seconds, commit()).save(path)
    except OSError as error:
        display.say(f"note: {path} cannot be written ({error.strerror}); going on")


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


def _saved(condensation: Condensation, folder: RunFolder, seconds: float) -> Synset:
    synset = condensation.synset(seconds, commit())
    try:
        synset.save(folder / SYNSET)
    except OSError as error:
        raise RunError(
            f"{folder / SYNSET} cannot be written ({error.strerror}); make room and go on with --resume"
        ) from None
    return synset
