"""Adapts links that lead out of this folder, which work in the repository but not on the site; a hook."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PICTURES = "benchmarks/results"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)")


def on_files(files: Files, /, *, config: Any) -> Files:
    """The site's files, with the pictures of the benchmarks added."""
    for picture in sorted((ROOT / PICTURES).glob("*.png")):
        files.append(File.generated(config, f"{PICTURES}/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, /, **_: Any) -> str:
    """The page with the pictures' addresses on the site, and other outside links reduced to their text."""
    return LINK.sub(r"\1", markdown.replace(f"](../{PICTURES}/", f"]({PICTURES}/"))
