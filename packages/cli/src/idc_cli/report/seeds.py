"""Runs of one pipeline with several seeds, pooled as one experiment."""

import json
import statistics
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from idc.experiment.report import Report
from idc.kinds.evaluation import Evaluation, EvaluationKey
from idc_cli.run_folder.folder import PIPELINE

MAY_DIFFER = ("name", "seed")
"""Fields in which the pipelines of one experiment may differ."""


class OverSeeds(NamedTuple):
    """A synset's scores over several runs."""

    runs: tuple[Path, ...]
    evaluation: Evaluation
    """Its values are the means of the runs: the deviation is between synsets, not between networks."""


def over_seeds(reports: Sequence[tuple[Path, Report]]) -> list[OverSeeds]:
    """The scores of runs that differ in nothing but their seeds, if there are several.

    Args:
        reports: folder and report of each finished run.
    """
    alike: dict[str, dict[Any, tuple[Path, Report]]] = {}
    for run, report in reports:
        with suppress(OSError, ValueError):
            pipeline = tomllib.loads((run / PIPELINE).read_text(encoding="utf-8"))
            rest = {key: value for key, value in pipeline.items() if key not in MAY_DIFFER}
            alike.setdefault(json.dumps(rest, sort_keys=True), {})[pipeline.get("seed")] = (run, report)
    found: list[OverSeeds] = []
    for group in alike.values():
        if len(group) > 1:
            found += _of(list(group.values()))
    return found


def _of(group: list[tuple[Path, Report]]) -> list[OverSeeds]:
    taken: dict[EvaluationKey, list[tuple[Path, Evaluation]]] = {}
    for run, report in group:
        for each in report.evaluations:
            if not each.listed:
                continue
            taken.setdefault(each.key, []).append((run, each))
    return [
        OverSeeds(
            tuple(run for run, _ in several),
            several[0][1].model_copy(
                update={"values": tuple(statistics.fmean(each.values) for _, each in several)}
            ),
        )
        for several in taken.values()
        if len(several) > 1
    ]
