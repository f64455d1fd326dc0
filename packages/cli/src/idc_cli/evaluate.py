"""``idc evaluate``."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from idc.errors import InputError
from idc.evaluation import evaluate as evaluations_of
from idc.overrides import parse_assignments
from idc.synset import Synset
from idc_cli.data import load
from idc_cli.progress import Track
from idc_cli.terminal import show_scores

CHANGEABLE = ("compile", "dataset", "evaluate", "model", "precision", "seed")
"""What a score depends on beside the synset; the rest of its pipeline is history."""


def evaluate(
    file: Path,
    root: Path,
    device: str,
    assignments: Sequence[str],
    *,
    download: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Score a synset by its own pipeline's evaluators, changed as the assignments say."""
    overrides = parse_assignments(assignments)
    _refuse_history(overrides)
    synset = Synset.load(file)
    pipeline = synset.pipeline.override(overrides)
    if not pipeline.evaluate:
        raise InputError(
            "evaluate: there is no evaluator in the synset's pipeline as set; name one, such as "
            """--set 'evaluate=[{type="retrain"}]'"""
        )
    data = load(pipeline.dataset, root, download=download, quiet=quiet)
    with Track(Console(stderr=True), f"evaluate {synset.name}", 1, quiet=quiet) as track:
        found = list(evaluations_of(synset, data, pipeline, device=device, progress=track.update))
    if json:
        print(jsonlib.dumps([each.model_dump(mode="json") for each in found], indent=2))
    else:
        show_scores(found)


def _refuse_history(overrides: Mapping[str, object]) -> None:
    for key in overrides:
        if key.split(".")[0] not in CHANGEABLE:
            raise InputError(
                f"--set {key}: the synset is made already, so this would change nothing; allowed are keys of "
                f"{', '.join(CHANGEABLE)}"
            )
