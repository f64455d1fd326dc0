"""The documentation: its pages as text, their fenced blocks, and the modules beside them."""

import importlib.util
import re
from pathlib import Path
from typing import Any, NamedTuple

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


def module_of(name: str) -> Any:
    """A module in ``docs/``, which is in no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / f"docs/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
