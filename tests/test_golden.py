"""Every golden file is read by a test."""

import re
from pathlib import Path

import pytest

from golden_cases import GOLDEN
from repository import ROOT

READERS = re.compile(r"golden_names\(|load_golden\(|GOLDEN /")
WORD = re.compile(r"[\"']([\w.]+)[\"']")
BEGINNING = re.compile(r"golden_names\([\"'](\w+)[\"']\)")
FILLED_IN = re.compile(r"load_golden\(f[\"'](\w+)\{\w+\}[\"']\)")
FILES = sorted(path for path in GOLDEN.iterdir() if path.suffix != ".md")


def _read() -> set[str]:
    """The golden files that a test names: in full, by their beginning, or by a beginning and a parameter."""
    found: set[str] = set()
    names = {path.stem if path.suffix == ".safetensors" else path.name for path in FILES}
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        if READERS.search(text):
            words = set(WORD.findall(text))
            found |= words | {f"{first}{word}" for first in FILLED_IN.findall(text) for word in words}
            found |= {name for name in names if name.startswith(tuple(BEGINNING.findall(text)))}
    return found | set(WORD.findall((ROOT / "tests/models/model_cases.py").read_text()))


READ = _read()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_golden_file_is_read_by_a_test(file: Path) -> None:
    assert READ & {file.name, file.stem}, f"no test reads {file.name}"
