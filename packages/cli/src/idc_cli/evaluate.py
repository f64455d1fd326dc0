"""``idc evaluate``."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from idc.errors import InputError
from idc.evaluation import evaluate as evaluations_of
from idc.pipeline import parse_assignment
from idc.synset import Synset
from idc_cli.progress import Track
from idc_cli.terminal import show_scores


def evaluate(
    file: Path, root: Path, device: str, assignments: Sequence[str], *, json: bool, quiet: bool
) -> None:
    """Score a synset by its own pipeline's evaluators, changed as the assignments say."""
    synset = Synset.load(file)
    pipeline = synset.pipeline.override(dict(map(parse_assignment, assignments)))
    if not pipeline.evaluate:
        raise InputError(
            "evaluate: the synset's pipeline has no [[evaluate]] table; name one, such as "
            """--set 'evaluate=[{type="retrain"}]'"""
        )
    data = pipeline.dataset.load(root)
    with Track(Console(stderr=True), f"evaluate {synset.name}", 1, quiet=quiet) as track:
        found = list(evaluations_of(synset, data, pipeline, device=device, progress=track.update))
    if json:
        print(jsonlib.dumps([each.model_dump(mode="json") for each in found], indent=2))
    else:
        show_scores(found)
