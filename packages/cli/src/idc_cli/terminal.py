"""Lines and tables in the terminal."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from idc.report import Evaluation


def stdout() -> Console:
    """Standard output: as wide as the terminal, and wide enough for a table where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def say(console: Console, text: str) -> None:
    """Print a line as it is, without markup, colours or line breaks of our own."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def scores(console: Console, evaluations: Iterable[Evaluation], title: str | None = None) -> None:
    """Print one row for each evaluation: mean ± standard deviation of the scores and how many there are."""
    columns = (
        ("synset", "left"),
        ("stored numbers", "right"),
        ("model", "left"),
        ("accuracy, %", "right"),
        ("n", "right"),
        ("protocol", "left"),
    )
    rows = [
        (each.synset, f"{each.budget:,}", each.model, each.summary(), str(each.n), each.protocol)
        for each in evaluations
    ]
    console.print(table(columns, rows, title))


def table(
    columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], title: str | None = None
) -> Table:
    """A table of text.

    Args:
        columns: heading and ``left`` or ``right``.
        rows: cells; none is read as markup.
        title: above the table.
    """
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for heading, side in columns:
        made.add_column(heading, justify="right" if side == "right" else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_literal(cell) for cell in row))
    return made


def _literal(text: str) -> str:
    return text.replace("[", r"\[")
