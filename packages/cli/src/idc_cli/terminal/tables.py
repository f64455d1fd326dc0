"""Lines and tables in the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idc.experiment.report import Report
from idc.kinds.evaluation import Evaluation

WIDE = 400
"""Columns where there is no terminal, so that nothing written to a file is folded."""


def say(console: Console, text: str) -> None:
    """Print a line as it is, without markup, colours or line breaks of our own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def size(count: int) -> str:
    """Bytes for people."""
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:.3g} {unit}"
    return f"{count} bytes"


def operations(number: float) -> str:
    """Floating-point operations for people."""
    for unit, power in (("exa", 1e18), ("peta", 1e15), ("tera", 1e12), ("giga", 1e9)):
        if number >= power:
            return f"{number / power:.3g} {unit}flop"
    return f"{number / 1e6:.3g} megaflop"


def show_report(report: Report, *, json: bool = False) -> None:
    """Print a run's scores, or all of its report as JSON; nothing if it has no scores."""
    if json:
        print(report.model_dump_json(indent=2))
    elif report.evaluations:
        show_scores(report.evaluations, f"{report.name}: images per class {report.images_per_class}")


def show_scores(evaluations: Iterable[Evaluation], title: str | None = None) -> None:
    """Print a row for each evaluation: mean ± standard deviation of the scores and how many there are."""
    found = list(evaluations)
    kinds = {(each.protocol, each.metric) for each in found}
    distinct = len({(each.synset, each.model) for each in found}) == len(found)
    if len({each.model for each in found}) > 1 and len(kinds) == 1 and distinct:
        _show_models(found, title)
        return
    columns = ["synset", "stored numbers>", "model", f"{metric(found)}>", "n>", "protocol"]
    rows = [
        (each.synset, f"{each.budget:,}", each.model, each.summary(), str(each.n), each.protocol)
        for each in found
    ]
    show_table_and_protocol(columns, rows, title)


def _show_models(found: list[Evaluation], title: str | None) -> None:
    """The papers' table of several architectures: a row for each synset, a column for each model."""
    models = list(dict.fromkeys(each.model for each in found))
    scores = {(each.synset, each.model): each for each in found}
    budgets = {each.synset: each.budget for each in found}
    same = {each.n for each in found}

    def cell(synset: str, model: str) -> str:
        each = scores.get((synset, model))
        if each is None:
            return ""
        return each.summary() if len(same) == 1 else f"{each.summary()} ({each.n})"

    columns = ["synset", "stored numbers>", *(f"{model}>" for model in models)]
    rows = [
        (synset, f"{budget:,}", *(cell(synset, model) for model in models))
        for synset, budget in budgets.items()
    ]
    show_table(columns, rows, title)
    n = f"n {same.pop()}" if len(same) == 1 else "n in brackets"
    say(Console(), f"{metric(found)}, {n}; protocol: {found[0].protocol}")


def metric(evaluations: Iterable[Evaluation]) -> str:
    """Heading of a column of scores."""
    names = dict.fromkeys(each.metric for each in evaluations)
    return ", ".join(names).replace("accuracy", "accuracy, %")


def show_table_and_protocol(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Print a table whose last column is the protocol; where all share one it is a line below instead."""
    protocols = {row[-1] for row in rows}
    if len(protocols) > 1:
        show_table(columns, rows, title)
        return
    show_table(columns[:-1], [row[:-1] for row in rows], title)
    for protocol in protocols:
        say(Console(), f"protocol: {protocol}")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print a table of text on standard output.

    Args:
        columns: headings; one that ends in ``>`` is aligned to the right. Empty ones make no header.
        rows: cells.
        title: above the table.
    """
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.show_header = any(columns)
    for heading in columns:
        side = "right" if heading.endswith(">") else "left"
        table.add_column(heading.removesuffix(">"), justify=side, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    if console.is_terminal:
        console.print(table)
        return
    wide = Console(width=WIDE)
    with wide.capture() as captured:
        wide.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
