"""Runs of one pipeline with several seeds, seen as one experiment."""

import json
import statistics
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from idc.experiment.report import Report
from idc.kinds.evaluation import Evaluation
from idc_cli.folder import PIPELINE

OF_A_RUN = ("name", "seed")
"""Fields of a pipeline in which runs of one experiment may differ."""


class OverSeeds(NamedTuple):
    """A synset's scores over several runs."""

    runs: tuple[Path, ...]
    evaluation: Evaluation
    """Its values are the means of the runs: their spread is that of condensing, not of networks."""


def over_seeds(reports: Sequence[tuple[Path, Report]]) -> list[OverSeeds]:
    """The scores of those runs that differ in their seeds alone, where there are several.

    Args:
        reports: of finished runs, with their folders.
    """
    alike: dict[str, dict[Any, tuple[Path, Report]]] = {}
    for run, report in reports:
        with suppress(OSError, ValueError):
            pipeline = tomllib.loads((run / PIPELINE).read_text(encoding="utf-8"))
            rest = {key: value for key, value in pipeline.items() if key not in OF_A_RUN}
            alike.setdefault(json.dumps(rest, sort_keys=True), {})[pipeline.get("seed")] = (run, report)
    found: list[OverSeeds] = []
    for group in alike.values():
        if len(group) > 1:
            found += _of(list(group.values()))
    return found


def _of(group: list[tuple[Path, Report]]) -> list[OverSeeds]:
    taken: dict[tuple[str, ...], list[tuple[Path, Evaluation]]] = {}
    for run, report in group:
        for each in report.evaluations:
            key = (each.synset, each.model, each.protocol, each.metric)
            taken.setdefault(key, []).append((run, each))
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
