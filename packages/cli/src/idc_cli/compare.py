"""``idc compare``."""

import json as jsonlib
from pathlib import Path

from idc.report import Report
from idc_cli.terminal import show_table


def compare(runs: list[Path], *, json: bool) -> None:
    """Print every score of several runs."""
    reports = [(run, Report.load(run)) for run in runs]
    if json:
        print(
            jsonlib.dumps(
                [{"run": str(run), **report.model_dump(mode="json")} for run, report in reports], indent=2
            )
        )
        return
    rows = [
        (
            str(run),
            each.synset,
            each.model,
            each.summary(),
            str(each.n),
            f"{each.budget:,}",
            f"{report.seconds.get('condense', 0):,.0f} s" if each.synset == report.method else "",
            each.protocol,
        )
        for run, report in reports
        for each in report.evaluations
    ]
    columns = ["run", "synset", "model", "accuracy, %>", "n>", "stored numbers>", "condensed in>", "protocol"]
    show_table(columns, rows)
