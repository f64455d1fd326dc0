"""``idc estimate`` and ``idc run --dry-run``."""

from collections.abc import Callable, Sequence
from pathlib import Path

from idc.condensation.loop import condense
from idc.config.overrides import parse_assignments
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from idc.experiment.estimate import Estimate
from idc.experiment.estimate import estimate as estimated
from idc_cli.data import load
from idc_cli.folder import RunFolder, default_folder
from idc_cli.progress import Display, duration
from idc_cli.terminal import operations, show_table, size


def estimate(
    path: Path,
    root: Path,
    device: str,
    assignments: Sequence[str],
    *,
    download: bool,
    trial: bool,
    display: Display,
    folder: Path | None = None,
    replace: bool = True,
) -> None:
    """Validate a pipeline and print what its run would store and take.

    Args:
        path: the pipeline's.
        root: of the data.
        device: to compute on.
        assignments: that change the pipeline.
        download: whether the data may be fetched.
        trial: whether to make two steps.
        display: for the progress.
        folder: the run's.
        replace: whether what the folder holds would not stand in the way.

    Raises:
        InputError: the pipeline cannot be run.
    """
    settings = parse_assignments(assignments)
    pipeline = Pipeline.load(path, settings)
    if not replace:
        _mention_earlier(RunFolder(folder or default_folder(pipeline.name, settings), pipeline), display)
    data = load(pipeline.dataset, root, download=download, display=display)
    condensation = condense(pipeline, data, device=device)
    if trial:
        how = ", which compiles first" if condensation.execution.compiled else ""
        display.mention(f"estimate: trying two steps{how}")
    found = estimated(condensation, trial=trial)
    if display.json:
        print(found.model_dump_json(indent=2))
    else:
        show_table(("", ""), _rows(pipeline, found))


def _mention_earlier(folder: RunFolder, display: Display) -> None:
    try:
        if folder.finished() is None:
            folder.refuse_earlier()
        else:
            display.say(f"note: {folder.path} holds this run, finished; --overwrite would run it again")
    except InputError as error:
        display.say(f"note: the run would be refused: {error}")


def _rows(pipeline: Pipeline, found: Estimate) -> list[tuple[str, str]]:
    how = f"on {found.device}, {'compiled' if found.compiled else 'eager'}"
    rows = [
        ("stored", f"{found.stored_images:,} images, {found.budget:,} numbers"),
        ("training images", f"{found.images:,}"),
        ("steps", f"{found.steps:,}: {pipeline.iterations:,} iterations of {pipeline.inner_steps:,}"),
        ("scored", f"{found.synsets:,} synsets" if found.synsets else "nothing: there is no [[evaluate]]"),
        ("arithmetic", _both(operations, found.condense_operations, found.evaluate_operations)),
        ("memory", "not known" if found.memory is None else f"{size(found.memory)} for a match"),
    ]
    if found.condense_seconds is not None and found.evaluate_seconds is not None:
        rows.append(
            ("time here", f"{_both(duration, found.condense_seconds, found.evaluate_seconds)}, {how}")
        )
    return rows


def _both(shown: Callable[[float], str], condensing: float, scoring: float) -> str:
    return f"{shown(condensing)} condensing" + (f", {shown(scoring)} scoring" if scoring else "")
