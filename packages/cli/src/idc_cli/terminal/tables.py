"""Tables in the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from idc.experiment.score_table import without_common_protocol
from idc_cli.terminal.text import say

PIPED_WIDTH = 400
"""Columns where the output is not a terminal, so that nothing written to a file is folded."""


def show_table_and_protocol(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None
) -> None:
    """Print a table whose last column is the protocol; if all rows have the same, it is a line below instead.

    Args:
        columns: headings, as for `show_table`.
        rows: cells.
        title: above the table.
    """
    columns, rows, note = without_common_protocol(columns, rows)
    show_table(columns, rows, title)
    if note:
        say(Console(), note)


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
    wide = Console(width=PIPED_WIDTH)
    with wide.capture() as captured:
        wide.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
