"""The documentation as text: its pages and their fenced blocks."""

import re
from pathlib import Path
from typing import NamedTuple

from repository import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples/plugin/README.md"]
BLOCK = re.compile(r"(?:^`([^`\n]+)`:\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    file: str
    """The file it says it shows, if any."""
    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of some languages, in their order."""
    found = (Block(*each) for each in BLOCK.findall(page.read_text()))
    return [block for block in found if block.language in languages]


def title(page: Path) -> str:
    """What tests call a page."""
    return str(page.relative_to(ROOT))
