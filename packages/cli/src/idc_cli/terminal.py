"""Lines and tables in the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idc.report import Evaluation

WIDE = 400
"""Columns where there is no terminal, so that nothing written to a file is folded."""


def say(console: Console, text: str) -> None:
    """Print a line as it is, without markup, colours or line breaks of our own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def show_scores(evaluations: Iterable[Evaluation], title: str | None = None) -> None:
    """Print a row for each evaluation: mean ± standard deviation of the scores and how many there are."""
    columns = ["synset", "stored numbers>", "model", "accuracy, %>", "n>", "protocol"]
    rows = [
        (each.synset, f"{each.budget:,}", each.model, each.summary(), str(each.n), each.protocol)
        for each in evaluations
    ]
    show_table(columns, rows, title)


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
