"""What a notebook shows of an object."""

import base64
import io
from html.parser import HTMLParser
from typing import NamedTuple

from PIL import Image


class Img(NamedTuple):
    """An embedded image."""

    picture: Image.Image
    width: int
    height: int
    alt: str


def displayed(thing: object) -> "Displayed":
    """What a notebook shows of an object."""
    # To pyright its name is private.
    return Displayed(getattr(thing, "_repr_html_")())  # noqa: B009


class Displayed(HTMLParser):
    """HTML of an object: its tags, its text, the cells of its rows, and its images by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.images: list[list[Img]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, "all elements are closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        match tag:
            case "tr":
                self.rows.append([])
                self.images.append([])
            case "th" | "td":
                self.rows[-1].append("")
            case "img":
                kind, _, data = (given["src"] or "").partition(",")
                assert kind == "data:image/png;base64"
                picture = Image.open(io.BytesIO(base64.b64decode(data)))
                size = int(given["width"] or 0), int(given["height"] or 0)
                self.images[-1].append(Img(picture, *size, given["alt"] or ""))
                return
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & {*self._open}:
            self.rows[-1][-1] += data

    def names(self) -> set[str]:
        """Of all elements."""
        return {tag for tag, _ in self.tags}
