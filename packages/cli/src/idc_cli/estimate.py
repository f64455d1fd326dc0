"""``idc estimate`` and ``idc run --dry-run``."""

from collections.abc import Callable, Sequence
from pathlib import Path

from idc.engine import condense
from idc.estimate import Estimate
from idc.estimate import estimate as estimated
from idc.overrides import parse_assignments
from idc.pipeline import Pipeline
from idc_cli.data import load
from idc_cli.progress import Display, duration
from idc_cli.terminal import show_table, size


def estimate(
    path: Path,
    root: Path,
    device: str,
    assignments: Sequence[str],
    *,
    download: bool,
    trial: bool,
    display: Display,
) -> None:
    """Validate a pipeline and print what its run would store and take."""
    pipeline = Pipeline.load(path, parse_assignments(assignments))
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


def _rows(pipeline: Pipeline, found: Estimate) -> list[tuple[str, str]]:
    how = f"on {found.device}, {'compiled' if found.compiled else 'eager'}"
    rows = [
        ("stored", f"{found.stored_images:,} images, {found.budget:,} numbers"),
        ("training images", f"{found.images:,}"),
        ("steps", f"{found.steps:,}: {pipeline.iterations:,} iterations of {pipeline.inner_steps:,}"),
        ("scored", f"{found.synsets:,} synsets" if found.synsets else "nothing: there is no [[evaluate]]"),
        ("arithmetic", _both(_operations, found.condense_operations, found.evaluate_operations)),
        ("memory", "not known" if found.memory is None else f"{size(found.memory)} for a match"),
    ]
    if found.condense_seconds is not None and found.evaluate_seconds is not None:
        rows.append(
            ("time here", f"{_both(duration, found.condense_seconds, found.evaluate_seconds)}, {how}")
        )
    return rows


def _both(shown: Callable[[float], str], condensing: float, scoring: float) -> str:
    return f"{shown(condensing)} condensing" + (f", {shown(scoring)} scoring" if scoring else "")


def _operations(number: float) -> str:
    for unit, power in (("exa", 1e18), ("peta", 1e15), ("tera", 1e12), ("giga", 1e9)):
        if number >= power:
            return f"{number / power:.3g} {unit}flop"
    return f"{number / 1e6:.3g} megaflop"
