"""Curves as SVG in the colours of the page, which may be light or dark."""

import html
import io
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

INK, FAINT = "#010203", "#040506"
SERIES = ("#070809", "#0a0b0c", "#0d0e0f", "#101112", "#131415", "#161718")
"""Placeholders, each replaced by a variable of the page's style."""

MARKERS = "osD^v"
"""The next one each time all colours are used up."""

LEGEND_LETTERS = 90
"""Most letters of the names in a line of a legend."""

VARIABLES = {INK: "var(--ink)", FAINT: "var(--faint)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES)
}
NOT_EMBEDDED = (
    r"<metadata>.*?</metadata>|<style.*?</style>",
    r' xmlns(:xlink)?="[^"]*"| version="1.1"',
    # Names of groups, the same in every plot of a page.
    r' id="[^"]*_[^"]*"',
    # The font is the page's.
    r"font-family: [^;\"]*;? ?|(?<=: )(\d+px) 'DejaVu[^;\"]*",
)
"""What an SVG file needs, but an SVG element of a page does not."""

STYLE: dict[Any, Any] = {
    # Text stays text: it is drawn in the reader's font, can be searched, and is a tenth of the size.
    "svg.fonttype": "none",
    "font.size": 10,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
}


class Curve(NamedTuple):
    """A line, or points that are not joined."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    deviation: Sequence[float] | None = None
    """Standard deviation of each point: half the length of its bar."""
    colour: int = 0
    """Number of the series."""
    dashed: bool = False
    points: bool = False
    """Whether each point has a marker."""
    line: bool = True
    """Whether the points are joined."""


class Level(NamedTuple):
    """A horizontal line to compare with."""

    name: str
    y: float
    colour: int = 0


def plot(
    name: str,
    x: str,
    y: str,
    curves: Sequence[Curve],
    levels: Sequence[Level] = (),
    *,
    log_x: bool = False,
    log_y: bool = False,
    whole_x: bool = False,
) -> str:
    """A plot as an SVG element; the page defines the variables of its colours.

    Args:
        name: of the plot, for screen readers; unique on the page.
        x: label of the horizontal axis.
        y: label of the vertical axis.
        curves: to draw.
        levels: horizontal lines to compare with.
        log_x: logarithmic horizontal axis.
        log_y: logarithmic vertical axis.
        whole_x: whether ticks are at whole numbers only.
    """
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        names = [each.name for each in (*curves, *levels)]
        beside = max(1, min(3, LEGEND_LETTERS // (max(map(len, names)) + 8)))
        rows = -(-len(names) // beside)
        figure = Figure(figsize=(5.6, 3.2 + 0.17 * rows), layout="constrained")
        axes = figure.add_subplot()
        for curve in curves:
            colour = SERIES[curve.colour % len(SERIES)]
            axes.errorbar(
                curve.x,
                curve.y,
                yerr=curve.deviation,
                label=curve.name,
                color=colour,
                linestyle=("--" if curve.dashed else "-") if curve.line else "",
                marker=MARKERS[curve.colour // len(SERIES) % len(MARKERS)] if curve.points else "",
                markersize=4,
                linewidth=1.5,
                elinewidth=1,
                capsize=2,
            )
        for level in levels:
            colour = SERIES[level.colour % len(SERIES)]
            axes.axhline(level.y, label=level.name, color=colour, linestyle=":", linewidth=1.2)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_xscale("log" if log_x else "linear")
        axes.set_yscale("log" if log_y else "linear")
        for axis in [axes.xaxis] * log_x + [axes.yaxis] * log_y:
            # Plain numbers, and between the powers only where there are few of them.
            axis.set_major_formatter(_Plain())
            axis.set_minor_formatter(_Plain(minor_thresholds=(1.5, 0.5)))
        if whole_x and not log_x:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y")
        if len(curves) + len(levels) > 1:
            # Outside, where no curve can be.
            figure.legend(
                loc="outside upper left", ncols=beside, fontsize=9, handlelength=1.6, columnspacing=1.2
            )
        return _inline(figure, name)


class _Plain(LogFormatter):
    """Writes 10,000, not 1e4."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.6g}" if super().__call__(x, pos) else ""


def _inline(figure: Figure, name: str) -> str:
    written = io.StringIO()
    # Without a date, so that the same run gives the same page.
    FigureCanvasSVG(figure).print_svg(written, metadata={"Date": None, "Creator": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    for pattern in NOT_EMBEDDED:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    text = text.replace("xlink:href", "href")
    # Names may come from a stranger's report.
    text = text.replace("<svg", f'<svg role="img" aria-label="{html.escape(name)}"', 1)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    return text
