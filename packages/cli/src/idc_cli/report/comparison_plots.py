"""The plots of a comparison."""

from collections.abc import Sequence

from idc.experiment.report import Report
from idc.experiment.score_table import metric
from idc.kinds.evaluation import Evaluation
from idc_cli.report.plots import Curve, plot
from idc_cli.report.template import Plot


def comparison_plots(scores: Sequence[tuple[Report, Evaluation]]) -> list[Plot]:
    """Scores against the stored numbers, and against the time that condensing took.

    Args:
        scores: with the reports that they stand in.
    """
    # The field's score: others are in the table.
    rows = [row for row in scores if row[1].metric == "accuracy"] or list(scores)
    keys = list(dict.fromkeys(each.key for _, each in rows))
    # What all have in common is not repeated in the legend.
    named = [
        field for field in ("model", "recipe", "metric") if len({getattr(key, field) for key in keys}) > 1
    ]
    stored: list[Curve] = []
    timed: list[Curve] = []
    for number, key in enumerate(keys):
        found = [(report, each) for report, each in rows if each.key == key]
        label = ", ".join([key.synset, *(getattr(key, field) for field in named)])
        of_runs = [(report, each) for report, each in found if key.synset == report.method]
        budgets = [(float(each.budget), each) for _, each in found]
        times = [(report.seconds.get("condense", 0.0), each) for report, each in of_runs]
        # Runs that differ in more than their budget or time are not joined.
        joined = len({x for x, _ in budgets}) == len(budgets)
        stored.append(_curve(label, budgets, number, joined=joined))
        timed.append(_curve(label, times, number, joined=False))
    timed = [curve for curve in timed if curve.x]
    heading = metric(each for _, each in rows)
    known = all(min(curve.x) > 0 for curve in stored)
    budget = plot("Budget", "stored numbers", heading, stored, log_x=known)
    drawn = [Plot(budget, "Against the stored numbers.")]
    if timed and all(min(curve.x) > 0 for curve in timed):
        caption = "Against the wall-clock time of condensing, each on its own machine."
        drawn.append(Plot(plot("Time", "seconds", heading, timed, log_x=True), caption))
    return drawn


def _curve(label: str, points: Sequence[tuple[float, Evaluation]], number: int, *, joined: bool) -> Curve:
    in_order = sorted(points, key=lambda point: point[0])
    return Curve(
        label,
        [x for x, _ in in_order],
        [each.mean for _, each in in_order],
        [each.sd or 0.0 for _, each in in_order],
        colour=number,
        points=True,
        line=joined,
    )
