"""What a run would store and take, for ``idc estimate`` and ``idc run --dry-run``."""

from collections.abc import Callable
from pathlib import Path

from idc.condensation.loop import condense
from idc.config.pipeline import Pipeline
from idc.experiment.estimate import Estimate
from idc.experiment.estimate import estimate as estimated
from idc_cli.runner.load import load
from idc_cli.terminal.progress import Display
from idc_cli.terminal.tables import show_table
from idc_cli.terminal.text import duration, operations, size


def show_estimate(
    pipeline: Pipeline, root: Path, device: str, *, download: bool, trial: bool, display: Display
) -> None:
    """Validate a pipeline against its data, and print what its run would store and take.

    Args:
        pipeline: of the run.
        root: folder with the dataset's files.
        device: to compute on.
        download: whether a public dataset may be downloaded.
        trial: whether to make two inner steps, to estimate the time.
        display: for the progress.

    Raises:
        InputError: the pipeline cannot be run.
    """
    data = load(pipeline.dataset, root, download=download, display=display)
    # What is stored and how long a step takes does not depend on the codes' values.
    unfitted = pipeline.model_copy(update={"decoder": pipeline.decoder.unfitted()})
    condensation = condense(unfitted, data, device=device)
    if trial:
        how = ", which compiles first" if condensation.execution.compiled else ""
        display.mention(f"estimate: trying two inner steps{how}")
    found = estimated(condensation, trial=trial)
    if display.json:
        print(found.model_dump_json(indent=2))
    else:
        show_table(("", ""), _rows(pipeline, found))


def _rows(pipeline: Pipeline, found: Estimate) -> list[tuple[str, str]]:
    how = f"on {found.device}, {'compiled' if found.compiled else 'eager'}"
    rows = [
        ("stored", f"{found.stored_images:,} images, {found.budget:,} numbers, {size(found.bytes)}"),
        ("training images", f"{found.images:,}"),
        ("inner steps", f"{found.steps:,}: {pipeline.iterations:,} iterations of {pipeline.inner_steps:,}"),
        ("scored", f"{found.synsets:,} synsets" if found.synsets else "nothing: there is no [[evaluate]]"),
        (
            "arithmetic",
            _phases(
                operations, found.pretrain_operations, found.condense_operations, found.evaluate_operations
            ),
        ),
        ("precision", _precision(found)),
        ("memory", "unknown" if found.memory is None else f"{size(found.memory)} to match a class"),
    ]
    if found.condense_seconds is not None and found.evaluate_seconds is not None:
        seconds = (found.pretrain_seconds or 0.0, found.condense_seconds, found.evaluate_seconds)
        rows.append(("time here", f"{_phases(duration, *seconds)}, {how}"))
    return rows


def _precision(found: Estimate) -> str:
    if found.bf16_in_hardware:
        hint = "" if found.precision == "bf16" else "; this device has bf16 too, see precision = 'auto'"
    else:
        hint = ", emulated on this device: fp32 is faster" if found.precision == "bf16" else ""
    return f"{found.precision}{hint}"


def _phases(shown: Callable[[float], str], pretraining: float, condensing: float, scoring: float) -> str:
    first = f"{shown(pretraining)} pretraining, " if pretraining else ""
    return f"{first}{shown(condensing)} condensing" + (f", {shown(scoring)} scoring" if scoring else "")
