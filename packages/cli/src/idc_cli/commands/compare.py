"""``idc compare``."""

import json as jsonlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from idc.errors import InputError
from idc.experiment.report import Report
from idc.files.atomic import write_text
from idc.kinds.evaluation import Evaluation
from idc_cli.folder import PIPELINE, REPORT
from idc_cli.seeds import OverSeeds, over_seeds
from idc_cli.terminal import metric, show_table, show_table_and_protocol

if TYPE_CHECKING:
    from idc_cli.page import Plot

Scored = tuple[Path, Report]

OVER_SEEDS = "over seeds: mean ± standard deviation of the runs' means"

COLUMNS = ("run", "synset", "model", "n>", "stored numbers>", "iterations>", "condensed in>", "protocol")


def compare(runs: Sequence[Path], html: Path | None, *, json: bool) -> None:
    """Print every score of several runs, and draw them."""
    reports = list(_finished(runs))
    if not reports:
        raise InputError("none of these runs is finished and scored; give the folder of one that is")
    seeds = over_seeds(reports)
    if html is not None:
        _write(reports, seeds, html)
    if json:
        print(
            jsonlib.dumps(
                [{"run": str(run), **report.model_dump(mode="json")} for run, report in reports], indent=2
            )
        )
        return
    show_table_and_protocol(_columns(reports), [_cells(*each) for each in _rows(reports)])
    if seeds:
        print()
        show_table(_seed_columns(reports), [_seed_cells(each) for each in seeds], OVER_SEEDS)


def _rows(reports: Sequence[Scored]) -> Iterator[tuple[Path, Report, Evaluation]]:
    for run, report in reports:
        for each in report.evaluations:
            yield run, report, each


def _columns(reports: Sequence[Scored]) -> list[str]:
    heading = metric(each for _, _, each in _rows(reports))
    return [*COLUMNS[:3], f"{heading}>", *COLUMNS[3:]]


def _cells(run: Path, report: Report, each: Evaluation) -> tuple[str, ...]:
    return (
        str(run),
        each.synset,
        each.model,
        each.summary(),
        str(each.n),
        f"{each.budget:,}",
        f"{report.iterations:,}" if each.synset == report.method else "",
        f"{report.seconds.get('condense', 0):,.0f} s" if each.synset == report.method else "",
        each.protocol,
    )


def _seed_columns(reports: Sequence[Scored]) -> list[str]:
    heading = metric(each for _, _, each in _rows(reports))
    return ["runs", "synset", "model", f"{heading}>", "seeds>"]


def _seed_cells(each: OverSeeds) -> tuple[str, ...]:
    runs = [str(run) for run in each.runs]
    shown = f"{runs[0]} … {runs[-1]}" if len(runs) > 2 else ", ".join(runs)
    found = each.evaluation
    return shown, found.synset, found.model, found.summary(), str(found.n)


def _write(reports: Sequence[Scored], seeds: Sequence[OverSeeds], path: Path) -> None:
    # Not at the top: drawing takes a second to import.
    from idc_cli.page import render

    protocols = list(dict.fromkeys(each.protocol for _, _, each in _rows(reports)))
    columns, rows = _columns(reports), list(_rows(reports))
    last = None if len(protocols) > 1 else -1
    text = render(
        "compare.html.j2",
        runs=len(reports),
        metric=metric(each for _, _, each in rows),
        protocols=protocols,
        columns=_headings(columns[:last]),
        rows=[
            {"ours": each.synset == report.method, "cells": _cells(run, report, each)[:last]}
            for run, report, each in rows
        ],
        over_seeds=OVER_SEEDS,
        seed_columns=_headings(_seed_columns(reports)),
        seed_rows=[
            {
                "ours": each.evaluation.synset in {report.method for _, report in reports},
                "cells": _seed_cells(each),
            }
            for each in seeds
        ],
        plots=_plots(reports),
    )
    try:
        write_text(path, text)
    except OSError as error:
        raise InputError(f"--html: cannot write {path} ({error.strerror}); choose another file") from None
    print(f"wrote {path}", file=sys.stderr)


def _headings(columns: Sequence[str]) -> list[tuple[str, bool]]:
    """Names of columns, and whether they hold numbers."""
    return [(name.removesuffix(">"), name.endswith(">")) for name in columns]


def _plots(reports: Sequence[Scored]) -> "list[Plot]":
    """Scores against what is stored, and against how long condensing took."""
    from idc_cli.page import Plot
    from idc_cli.plots import Curve, plot

    # The field's score: others are in the table.
    rows = [row for row in _rows(reports) if row[2].metric == "accuracy"] or list(_rows(reports))
    heading = metric(each for _, _, each in rows)
    names = dict.fromkeys((each.synset, each.model, each.protocol) for _, _, each in rows)
    models, protocols = {model for _, model, _ in names}, {protocol for _, _, protocol in names}
    stored: list[Curve] = []
    timed: list[Curve] = []
    for number, (synset, model, protocol) in enumerate(names):
        found = [
            (report, each)
            for _, report, each in rows
            if (each.synset, each.model, each.protocol) == (synset, model, protocol)
        ]
        parts = [synset] + [model] * (len(models) > 1) + [protocol] * (len(protocols) > 1)
        label = ", ".join(parts)
        of_runs = [(report, each) for report, each in found if synset == report.method]
        for curves, points, x in (
            (stored, found, [float(each.budget) for _, each in found]),
            (timed, of_runs, [report.seconds.get("condense", 0.0) for report, _ in of_runs]),
        ):
            in_order = sorted(zip(x, (each for _, each in points), strict=True), key=lambda point: point[0])
            curves.append(
                Curve(
                    label,
                    [x for x, _ in in_order],
                    [each.mean for _, each in in_order],
                    [each.sd or 0.0 for _, each in in_order],
                    colour=number,
                    points=True,
                    # Runs that differ in more than how much they store or take are not joined.
                    line=curves is stored and len({x for x, _ in in_order}) == len(in_order),
                )
            )
    timed = [curve for curve in timed if curve.x]
    known = all(min(curve.x) > 0 for curve in stored)
    budget = plot("Budget", "stored numbers", heading, stored, log_x=known)
    drawn = [Plot(budget, "Against the stored numbers.")]
    if all(min(curve.x) > 0 for curve in timed) and timed:
        caption = "Against the time that condensing took, on the machine that it took it on."
        drawn.append(Plot(plot("Time", "seconds", heading, timed, log_x=True), caption))
    return drawn


def _finished(runs: Sequence[Path]) -> Iterator[Scored]:
    for run in runs:
        if (run / PIPELINE).exists() and not (run / REPORT).exists():
            print(f"{run}: passed over, because the run is not finished", file=sys.stderr)
            continue
        report = Report.load(run)
        if not report.evaluations:
            print(f"{run}: passed over, because nothing was scored", file=sys.stderr)
            continue
        yield run, report
