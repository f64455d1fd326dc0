"""Condense in a run folder: progress, log, checkpoints, and the synset even if the run is interrupted."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

from idc.condensation.divergence import DivergenceError
from idc.condensation.loop import Condensation
from idc.condensation.pretraining import Pretraining
from idc.errors import InputError, RunError
from idc.experiment.history import recorded, scalars
from idc.experiment.report import Iteration
from idc.runtime import memory
from idc.runtime.device import memory_shortage, out_of_memory
from idc.synset.provenance import commit
from idc.synset.synset import Synset
from idc_cli.interruption import stop_requested
from idc_cli.run_folder.folder import PICTURE, SYNSET, TENSORBOARD, RunFolder
from idc_cli.runner.interval import Interval
from idc_cli.terminal.progress import Display, Fact, Track


class AgreedInterruption(KeyboardInterrupt):
    """All processes of a run stop after the same inner step."""


def refuse_without_tensorboard() -> None:
    """Check that TensorBoard is installed.

    Raises:
        InputError: it is not installed.
    """
    if find_spec("tensorboard") is None:
        raise InputError(
            "--tensorboard: TensorBoard is not installed; pip install tensorboard, or leave the flag out"
        )


@contextmanager
def _curves(folder: Path | None) -> Iterator[Callable[[Iteration], None]]:
    """A function that writes iterations for TensorBoard; without a folder it does nothing."""
    if folder is None:
        yield lambda iteration: None
        return
    # Not at the top: it is an optional dependency, and takes seconds to import.
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:

        def write(iteration: Iteration) -> None:
            for name, value in scalars(iteration).items():
                writer.add_scalar(name, value, iteration.iteration)

        yield write


def condense_in_folder(
    condensation: Condensation,
    folder: RunFolder,
    checkpoint_every: Interval,
    spent: float,
    display: Display,
    *,
    tensorboard: bool,
) -> tuple[Synset, float]:
    """Make the remaining inner steps; write the synset and its picture into the folder.

    Args:
        condensation: as far as it has come.
        folder: of the run.
        checkpoint_every: how often a checkpoint is written.
        spent: wall-clock seconds that earlier processes took.
        display: for the progress.
        tensorboard: whether the curves are also written for TensorBoard.

    Returns:
        The synset, and the wall-clock seconds that all processes took.

    Raises:
        RunError: the loss or a pretrained network is not finite, or the synset cannot be written; what is
            finished is kept.
        KeyboardInterrupt: the run was interrupted; the codes so far are saved too.
    """
    started, alone = time.monotonic() - spent, condensation.processes.count == 1
    try:
        outcome = pretrain(condensation, display)
        if outcome is not None:
            folder.log.add_pretraining(outcome, time.monotonic() - spent - started)
        started = time.monotonic() - spent
        lacking, reason = False, None
        try:
            _iterate(condensation, folder, checkpoint_every, started, display, tensorboard=tensorboard)
        except DivergenceError as error:
            _save(condensation, folder, time.monotonic() - started, stopped=True)
            # Whoever ends earlier ends the others.
            condensation.processes.meet()
            raise RunError(f"{error}, and are in {folder / SYNSET}") from error
        # Such as a pool that vanished during the run.
        except Exception as error:
            lacking, explained = out_of_memory(error), isinstance(error, InputError | RunError)
            if not alone or not (lacking or explained):
                raise
            reason = str(error) if explained else memory_shortage(error)
        if reason is not None:
            # Not within the block, where the error still keeps the tensors of the step that failed.
            _save(condensation, folder, time.monotonic() - started, stopped=True, labelled=not lacking)
            raise RunError(f"{reason}; the codes so far are in {folder / SYNSET}")
    except KeyboardInterrupt as interruption:
        done = f"{condensation.iteration} of {condensation.iterations} iterations"
        if not (alone or isinstance(interruption, AgreedInterruption)):
            display.say(f"interrupted after {done}; the last checkpoint is kept")
            raise
        _save(condensation, folder, time.monotonic() - started, stopped=True)
        condensation.processes.meet()
        display.say(f"stopped after {done}; the codes so far are in {folder / SYNSET}")
        raise
    spent = time.monotonic() - started
    # So that the run can be extended, and that resuming an interrupted evaluation need not condense again.
    folder.save_checkpoint(condensation, spent)
    synset = _save(condensation, folder, spent)
    if not folder.writes:
        return synset, spent
    # Not at the top: torchvision takes seconds to import, which the first iteration need not wait for.
    from idc.synset import pictures

    try:
        pictures.save(pictures.grid(synset), folder / PICTURE)
    except OSError as error:
        display.say(f"note: {folder / PICTURE} cannot be written ({error.strerror}); the run continues")
    return synset, spent


def pretrain(condensation: Condensation, display: Display) -> str | None:
    """Train the networks that are missing, if any, and say which.

    Args:
        condensation: of a run or a baseline.
        display: for the progress.
    """
    with ExitStack() as shown:
        tracks: list[Track] = []

        def progress(fraction: float) -> None:
            if not tracks:
                tracks.append(shown.enter_context(display.track("pretrain")))
            tracks[0].update(fraction)

        outcome = condensation.pretrain(progress)
    if outcome is not None:
        display.mention(outcome)
    return outcome


def _iterate(
    condensation: Condensation,
    folder: RunFolder,
    checkpoint_every: Interval,
    started: float,
    display: Display,
    *,
    tensorboard: bool,
) -> None:
    before, processes = condensation.steps_done, condensation.processes
    due = checkpoint_every.started(condensation.iteration)
    if not before:
        _save_snapshot(condensation, folder, 0.0, display)
    with (
        display.track("condense", max(len(condensation), 1), before) as track,
        _curves(folder / TENSORBOARD if tensorboard and folder.writes else None) as draw,
        stop_requested(says=processes.first) as stopping,
    ):
        for step, finished in recorded(condensation):
            if track.advance(condensation.steps_done):
                track.show(**_facts(condensation, float(step.loss), track))
            if finished is not None:
                spent = time.monotonic() - started
                folder.log.add_iteration(finished, spent)
                draw(finished)
                _save_snapshot(condensation, folder, spent, display)
            # Agreed, because a signal or a clock need not reach all processes between the same two steps.
            stop, save = processes.any(stopping(), processes.first and due(condensation.iteration))
            if save or stop:
                folder.save_checkpoint(condensation, time.monotonic() - started)
            if stop:
                raise AgreedInterruption


def _save_snapshot(condensation: Condensation, folder: RunFolder, seconds: float, display: Display) -> None:
    """Write the synset as it is now, if the pipeline asks for a snapshot of this iteration."""
    every = condensation.pipeline.snapshot_every
    if every is None or condensation.iteration % every:
        return
    path = folder.snapshot(condensation.iteration)
    synset = condensation.synset(seconds, commit())
    try:
        if folder.writes:
            synset.save(path)
    except OSError as error:
        display.say(f"note: {path} cannot be written ({error.strerror}); the run continues")


def _facts(condensation: Condensation, loss: float, track: Track) -> dict[str, Fact]:
    total = condensation.iterations
    facts: dict[str, Fact] = {
        "of": f"iteration {min(condensation.iteration + 1, total)}/{total}",
        "loss": loss,
    }
    if track.rate:
        facts["images_per_second"] = round(
            track.rate * sum(map(sum, condensation.group.matching.sizes.values())), 1
        )
    if held := memory.used(condensation.device):
        facts["memory"] = held
    return facts


def _save(
    condensation: Condensation,
    folder: RunFolder,
    seconds: float,
    *,
    stopped: bool = False,
    labelled: bool = True,
) -> Synset:
    plan, real = condensation.pipeline, condensation.data.train
    if stopped:
        # It must not train the networks of its soft labels first.
        with condensation.group.execution.active():
            needed = Pretraining.of(plan, real, unfinished=False)
            labelled = labelled and not needed.missing(condensation.processes)
        # Which sets the codes back to the last finite ones.
        with suppress(DivergenceError):
            condensation.refuse_infinite()
    synset = condensation.synset(seconds, commit(), labelled=labelled)
    try:
        if folder.writes:
            synset.save(folder / SYNSET)
    except OSError as error:
        raise RunError(
            f"{folder / SYNSET} cannot be written ({error.strerror}); free some space and use --resume"
        ) from None
    return synset
