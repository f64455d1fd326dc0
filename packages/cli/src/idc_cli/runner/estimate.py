"""What a run would store and take, for ``idc estimate`` and ``idc run --dry-run``."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from idc.condensation.loop import condense
from idc.config.pipeline import Pipeline
from idc.experiment.estimate import Estimate
from idc.experiment.estimate import estimate as estimated
from idc_cli.launch import threads
from idc_cli.runner.load import load
from idc_cli.terminal.progress import Display
from idc_cli.terminal.tables import show_table
from idc_cli.terminal.text import duration, operations, size


def show_estimate(
    pipeline: Pipeline,
    root: Path,
    device: str,
    *,
    download: bool,
    trial: bool,
    processes: int,
    display: Display,
) -> None:
    """Validate a pipeline against its data, and print what its run would store and take.

    Args:
        pipeline: of the run.
        root: folder with the dataset's files.
        device: to compute on.
        download: whether a public dataset may be downloaded.
        trial: whether to make two inner steps, to estimate the time.
        processes: that the run would have; none is started.
        display: for the progress.

    Raises:
        InputError: the pipeline cannot be run.
    """
    data = load(pipeline.dataset, root, download=download, display=display)
    # What is stored and how long a step takes does not depend on the codes' values.
    unfitted = pipeline.model_copy(update={"decoder": pipeline.decoder.unfitted()})
    with _threads_of_one(processes):
        condensation = condense(unfitted, data, device=device)
        if trial:
            how = ", which compiles first" if condensation.group.execution.compiled else ""
            display.mention(f"estimate: trying two inner steps{how}")
        found = estimated(condensation, trial=trial, processes=processes)
    if display.json:
        print(found.model_dump_json(indent=2))
    else:
        show_table(("", ""), _rows(pipeline, found))


@contextmanager
def _threads_of_one(processes: int) -> Iterator[None]:
    """Compute with the threads that one of several processes would have."""
    before, each = torch.get_num_threads(), threads(processes)
    if each is None:
        yield
        return
    torch.set_num_threads(each)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _rows(pipeline: Pipeline, found: Estimate) -> list[tuple[str, str]]:
    rows = [
        ("stored", f"{found.stored_images:,} images, {found.budget:,} numbers, {size(found.bytes)}"),
        ("training images", f"{found.images:,}"),
        ("inner steps", f"{found.steps:,}: {_iterations(pipeline, found)}"),
        ("scored", f"{found.synsets:,} synsets" if found.synsets else "nothing: there is no [[evaluate]]"),
        (
            "arithmetic",
            _phases(
                operations, found.pretrain_operations, found.condense_operations, found.evaluate_operations
            ),
        ),
        ("precision", _precision(found)),
        ("memory", _memory(found)),
    ]
    if found.processes > 1:
        rows.append(
            (
                "divided",
                f"{found.processes} processes, {_counted(found.most_classes, 'class')} at most in each",
            )
        )
    if found.condense_seconds is not None and found.evaluate_seconds is not None:
        seconds = (found.pretrain_seconds or 0.0, found.condense_seconds, found.evaluate_seconds)
        rows.append(("time here", f"{_phases(duration, *seconds)}, {_how(found)}"))
    if found.processes > 1 and found.alone_seconds and found.least_seconds:
        speed_up = _speed_up(found, found.alone_seconds, found.undivided_seconds or 0.0, found.least_seconds)
        rows.append(("speed-up", speed_up))
    return rows


def _memory(found: Estimate) -> str:
    matching = "unknown" if found.memory is None else f"{size(found.memory)} to match a class"
    return matching if found.processes == 1 else f"{matching}, {size(found.code_bytes)} for a process's codes"


def _how(found: Estimate) -> str:
    how = f"on {found.device}, {'compiled' if found.compiled else 'eager'}"
    return how if found.processes == 1 else f"{how}, in {found.processes} processes {_of_threads(found)}"


def _speed_up(found: Estimate, alone: float, undivided: float, least: float) -> str:
    divided = sum(filter(None, (found.pretrain_seconds, found.condense_seconds, found.evaluate_seconds)))
    return (
        f"{alone / divided:.1f} times one process {_of_threads(found)}, of whose time "
        f"{100 * undivided / alone:.2g} % cannot be divided; at most {alone / least:.2g} times with more"
    )


def _of_threads(found: Estimate) -> str:
    return f"of {_counted(found.threads or 1, 'thread')}"


def _counted(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _precision(found: Estimate) -> str:
    if found.bf16_in_hardware:
        hint = "" if found.precision == "bf16" else "; this device has bf16 too, see precision = 'auto'"
    else:
        hint = ", emulated on this device: fp32 is faster" if found.precision == "bf16" else ""
    return f"{found.precision}{hint}"


def _phases(shown: Callable[[float], str], pretraining: float, condensing: float, scoring: float) -> str:
    first = f"{shown(pretraining)} pretraining, " if pretraining else ""
    return f"{first}{shown(condensing)} condensing" + (f", {shown(scoring)} scoring" if scoring else "")


def _iterations(pipeline: Pipeline, found: Estimate) -> str:
    said = f"{pipeline.iterations:,} iterations of {pipeline.inner_steps:,}"
    groups = found.steps // max(1, pipeline.iterations * pipeline.inner_steps)
    return f"{said} for each of {groups} groups of classes" if groups > 1 else said
