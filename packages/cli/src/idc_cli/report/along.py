"""Plots of scores that are points of curves."""

from collections.abc import Sequence

from idc.experiment.score_table import curves, metric
from idc.kinds.evaluation import Evaluation
from idc_cli.report.plots import Curve, plot
from idc_cli.report.template import Plot


def along(evaluations: Sequence[Evaluation]) -> list[Plot]:
    """A plot for each curve, such as the accuracy along the classes seen, with a line for each synset.

    Args:
        evaluations: of one or several runs; those that are no points are left out.
    """
    drawn: list[Plot] = []
    for points in curves(evaluations):
        first, lines = points[0], list[Curve]()
        keys = dict.fromkeys((each.synset, each.recipe) for each in points)
        for number, (synset, recipe) in enumerate(keys):
            there = [each for each in points if (each.synset, each.recipe) == (synset, recipe)]
            there.sort(key=lambda each: each.at or 0.0)
            # A synset may have been scored in several ways.
            name = synset if [each for each, _ in keys].count(synset) == 1 else f"{synset}, {recipe}"
            x, y = [each.at or 0.0 for each in there], [each.mean for each in there]
            bars = [each.sd or 0.0 for each in there]
            lines.append(Curve(name, x, y, bars, number, points=True, line=not first.detail))
        # Unique on the page.
        model = "one dot for each model" if first.detail else first.model
        name = f"{first.type}, {first.metric} along the {first.along}, {model}"
        whole = all(at == int(at) for line in lines for at in line.x)
        recipes = "; ".join(dict.fromkeys(each.recipe for each in points))
        caption = (
            f"{first.type}: {metric(points)}, along the {first.along}; bars are ± the standard deviation. "
        )
        caption += f"Model: {model}. Protocol: {recipes}."
        drawn.append(Plot(plot(name, first.along, metric(points), lines, whole_x=whole), caption))
    return drawn
