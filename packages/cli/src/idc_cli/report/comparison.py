"""Scores of several runs: the cells of a table, and a page with plots."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from idc.experiment.report import Report
from idc.experiment.score_table import budget, score_cells, score_columns
from idc.files.atomic import write_text
from idc.kinds.evaluation import Evaluation
from idc_cli.report.seeds import OverSeeds

OVER_SEEDS = "over seeds: mean ± standard deviation of the runs' means"

COLUMNS = ("run", "synset", "model", "n>", "stored numbers>", "iterations>", "condensed in>", "protocol")
SEED_COLUMNS = ("runs", "synset", "model", "seeds>")


class Score(NamedTuple):
    """A score with the run that it is of."""

    run: Path
    report: Report
    evaluation: Evaluation

    @property
    def ours(self) -> bool:
        """Whether the score is of the condensed synset, not of a baseline."""
        return self.evaluation.synset == self.report.method


class Comparison:
    """Scores of several runs.

    Args:
        reports: folder and report of each.
        seeds: scores over runs that differ in their seeds.
    """

    def __init__(self, reports: Sequence[tuple[Path, Report]], seeds: Sequence[OverSeeds]) -> None:
        self.reports, self.seeds = reports, seeds
        everything = [Score(run, report, each) for run, report in reports for each in report.evaluations]
        self.scores = [score for score in everything if score.evaluation.listed]
        self._points = [score for score in everything if score.evaluation.at is not None]
        self._metric = score_columns([each.evaluation for each in self.scores])

    def columns(self) -> list[str]:
        """Headings; one that ends in ``>`` is of numbers. The last column is the protocol."""
        return [*COLUMNS[:3], *self._metric, *COLUMNS[3:]]

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Cells of each score."""
        for score in self.scores:
            each, report = score.evaluation, score.report
            yield (
                str(score.run),
                each.synset,
                each.model,
                *score_cells(each, self._metric),
                str(each.n),
                budget(each),
                f"{report.iterations:,}" if score.ours else "",
                f"{report.seconds.get('condense', 0):,.0f} s" if score.ours else "",
                each.recipe,
            )

    def seed_columns(self) -> list[str]:
        """Headings of the scores over seeds."""
        return [*SEED_COLUMNS[:3], *self._metric, *SEED_COLUMNS[3:]]

    def seed_rows(self) -> Iterator[tuple[str, ...]]:
        """Cells of each score over seeds."""
        for several in self.seeds:
            runs, each = [str(run) for run in several.runs], several.evaluation
            shown = f"{runs[0]} … {runs[-1]}" if len(runs) > 2 else ", ".join(runs)
            yield shown, each.synset, each.model, *score_cells(each, self._metric), str(each.n)

    def write(self, path: Path) -> None:
        """Write a page with the tables and plots; the file is whole or not there.

        Args:
            path: of the page.

        Raises:
            OSError: the page cannot be written.
        """
        # Not at the top: a table alone needs neither Jinja nor Matplotlib.
        from idc_cli.report.along import along
        from idc_cli.report.comparison_plots import comparison_plots
        from idc_cli.report.template import render

        protocols = list(dict.fromkeys(each.evaluation.recipe for each in self.scores))
        last = None if len(protocols) > 1 else -1
        methods = {report.method for _, report in self.reports}
        text = render(
            "compare.html.j2",
            runs=len(self.reports),
            protocols=protocols,
            columns=_headings(self.columns()[:last]),
            rows=[
                {"ours": score.ours, "cells": cells[:last]}
                for score, cells in zip(self.scores, self.rows(), strict=True)
            ],
            over_seeds=OVER_SEEDS,
            seed_columns=_headings(self.seed_columns()),
            seed_rows=[
                {"ours": each.evaluation.synset in methods, "cells": cells}
                for each, cells in zip(self.seeds, self.seed_rows(), strict=True)
            ],
            plots=[
                *comparison_plots([(each.report, each.evaluation) for each in self.scores]),
                *along([_named_after_run(each) for each in self._points]),
            ],
        )
        write_text(path, text)


def _named_after_run(score: Score) -> Evaluation:
    """The evaluation with the run in the synset's name, so that those of several runs are told apart."""
    return score.evaluation.model_copy(update={"synset": f"{score.evaluation.synset} ({score.report.name})"})


def _headings(columns: Sequence[str]) -> list[tuple[str, bool]]:
    """Names of columns, and whether they hold numbers."""
    return [(name.removesuffix(">"), name.endswith(">")) for name in columns]
