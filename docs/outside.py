"""Links that lead out of this folder, which the repository has and the site has not; a hook of the site."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PICTURES = "benchmarks/results"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)")


def on_files(files: Files, /, *, config: Any) -> Files:
    """The site's files and the pictures of the benchmarks."""
    for picture in sorted((ROOT / PICTURES).glob("*.png")):
        files.append(File.generated(config, f"{PICTURES}/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, /, **_: Any) -> str:
    """The page with pictures from where they are in the site, and with other links as their text alone."""
    return LINK.sub(r"\1", markdown.replace(f"](../{PICTURES}/", f"]({PICTURES}/"))
