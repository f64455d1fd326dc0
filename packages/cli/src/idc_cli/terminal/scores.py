"""Scores in the terminal."""

from collections.abc import Iterable

from rich.console import Console

from idc.experiment.report import Report
from idc.experiment.score_table import score_tables
from idc.kinds.evaluation import Evaluation
from idc_cli.terminal.tables import show_table
from idc_cli.terminal.text import say


def show_report(report: Report, *, json: bool = False) -> None:
    """Print a run's scores, or its whole report as JSON; without scores there is nothing to print as text."""
    if json:
        print(report.model_dump_json(indent=2))
    elif report.evaluations:
        show_scores(report.evaluations, report.title)


def show_scores(evaluations: Iterable[Evaluation], title: str | None = None) -> None:
    """Print mean ± standard deviation of the scores and how many there are: a table for each evaluator.

    Curves follow, each as a table with a column for each of its points.
    """
    for table in score_tables(evaluations):
        show_table(table.columns, table.rows, f"\n{table.heading}" if table.heading else title)
        if table.note:
            say(Console(), table.note)
        title = None
