"""HTML for notebooks: tables, pictures and folded text that can be read on light and on dark pages."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

# Shades of the page's own colour and none besides, so that one style suits every theme. All of it stands in
# the elements, because notebooks that are not trusted drop style sheets.
FAINT = "rgba(128,128,128,0.35)"
SOFT = "opacity:0.7;font-weight:normal"
CELL = "padding:0.15em 1.2em 0.15em 0;border:0;vertical-align:top;max-width:50em;white-space:normal"


class Markup(str):
    """HTML, unlike all other text, which is escaped."""


class Picture(NamedTuple):
    """An image to embed."""

    png: bytes
    """The file."""
    width: int
    """On the screen, in pixels."""
    height: int
    shows: str
    """What is on it, in words."""


def panel(title: str, *parts: Markup) -> str:
    """The HTML of an object: its title, and parts below each other."""
    return f'<div style="margin:0.3em 0"><strong>{escape(title)}</strong>{"".join(parts)}</div>'


def line(text: str) -> Markup:
    """A remark."""
    return Markup(f'<div style="{SOFT};margin:0.3em 0">{escape(text)}</div>')


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """A table whose first column names its rows.

    Args:
        columns: headings; one that ends in ``>`` is aligned to the right. Empty ones make no header.
        rows: cells, of text or `Markup`.
    """
    sides = ["right" if heading.endswith(">") else "left" for heading in columns]

    def row(cells: Sequence[str], tags: Sequence[str], style: str = "") -> str:
        texts = (cell if isinstance(cell, Markup) else escape(cell) for cell in cells)
        found = "".join(
            f'<{tag} style="{CELL};text-align:{side};{style}">{text}</{tag.partition(" ")[0]}>'
            for tag, side, text in zip(tags, sides, texts, strict=True)
        )
        return f'<tr style="background:transparent;border-bottom:1px solid {FAINT}">{found}</tr>'

    headings = row([each.removesuffix(">") for each in columns], ['th scope="col"'] * len(columns), SOFT)
    head = f"<thead>{headings}</thead>" if any(columns) else ""
    tags = ['th scope="row"'] + ["td"] * (len(columns) - 1)
    body = "".join(row(cells, tags, "font-weight:normal") for cells in rows)
    style = "border-collapse:collapse;border:0;margin:0.3em 0;font-variant-numeric:tabular-nums"
    return Markup(f'<table style="{style}">{head}<tbody>{body}</tbody></table>')


def pictures(images: Iterable[Picture]) -> Markup:
    """Images beside each other, enlarged without smoothing."""
    style = "display:inline-block;margin:0 2px 2px 0;max-width:none;image-rendering:pixelated"
    return Markup(
        "".join(
            f'<img src="data:image/png;base64,{b64encode(each.png).decode()}" width="{each.width}" '
            f'height="{each.height}" alt="{escape(each.shows)}" style="{style}">'
            for each in images
        )
    )


def folded(title: str, text: str) -> Markup:
    """Text that is hidden until its title is clicked."""
    style = "margin:0.3em 0;padding:0;background:transparent;color:inherit;white-space:pre-wrap"
    return Markup(
        f'<details><summary style="cursor:pointer">{escape(title)}</summary>'
        f'<pre style="{style}">{escape(text)}</pre></details>'
    )
