"""``idc compare``."""

import json as jsonlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from idc.errors import InputError
from idc.report import Report
from idc_cli.folder import PIPELINE, REPORT
from idc_cli.terminal import metric, show_table_and_protocol


def compare(runs: Sequence[Path], *, json: bool) -> None:
    """Print every score of several runs."""
    reports = list(_finished(runs))
    if not reports:
        raise InputError("none of these runs is finished and scored; give the folder of one that is")
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
    heading = metric(each for _, report in reports for each in report.evaluations)
    show_table_and_protocol(
        ["run", "synset", "model", f"{heading}>", "n>", "stored numbers>", "condensed in>", "protocol"], rows
    )


def _finished(runs: Sequence[Path]) -> Iterator[tuple[Path, Report]]:
    for run in runs:
        if (run / PIPELINE).exists() and not (run / REPORT).exists():
            print(f"{run}: passed over, because the run is not finished", file=sys.stderr)
            continue
        report = Report.load(run)
        if not report.evaluations:
            print(f"{run}: passed over, because nothing was scored", file=sys.stderr)
            continue
        yield run, report
