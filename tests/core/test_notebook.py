"""HTML for notebooks: escaped, closed, and without colours."""

import re

import pytest

from displayed import Displayed
from idc.notebook import Picture, folded, line, panel, pictures, table

HOSTILE = "<script>alert('1')</script>\" onload=\"alert(2) & </td> &lt;"
PARTS = {
    "line": line(HOSTILE),
    "table": table((HOSTILE, f"{HOSTILE}>"), [(HOSTILE, HOSTILE)]),
    "folded": folded(HOSTILE, HOSTILE),
    "pictures": pictures([Picture(b"", 1, 1, HOSTILE)]),
}


@pytest.mark.parametrize(("part", "texts"), [("line", 1), ("table", 4), ("folded", 2)])
def test_text_stays_text(part: str, texts: int) -> None:
    shown = Displayed(panel(HOSTILE, PARTS[part]))
    assert "script" not in shown.names()
    assert shown.text.count(HOSTILE) == 1 + texts


def test_text_ends_no_attribute() -> None:
    (attributes,) = re.findall(r"<img (.*)>", PARTS["pictures"])
    assert re.findall(r'([\w-]+)="', attributes) == ["src", "width", "height", "alt", "style"]
    assert "<" not in attributes


def test_markup_is_not_escaped_again() -> None:
    shown = Displayed(panel("", table(("", ""), [("a", line("b"))])))
    assert shown.rows == [["a", "b"]]


def test_a_table_has_a_header_only_if_it_has_headings() -> None:
    rows = [("idc", "1"), ("random", "2")]
    assert Displayed(panel("", table(("", ""), rows))).rows == [["idc", "1"], ["random", "2"]]
    shown = Displayed(panel("", table(("synset", "n>"), rows)))
    assert shown.rows[0] == ["synset", "n"]
    sides = [
        re.findall(r"text-align:(\w+)", each["style"] or "") for _, each in shown.tags if "style" in each
    ]
    assert [side for (side,) in filter(None, sides)] == ["left", "right"] * 3


@pytest.mark.parametrize("part", PARTS)
def test_colours_are_the_pages(part: str) -> None:
    styles = " ".join(re.findall(r'style="([^"]*)"', panel("title", PARTS[part])))
    for name, value in re.findall(r"([\w-]+):\s*([^;\"]+)", styles):
        if name in ("color", "background"):
            assert value in ("inherit", "transparent"), f"{name}: {value}"
        assert not re.search(r"#|rgb\(|rgba\((?!128,128,128)", value), f"{name}: {value}"
