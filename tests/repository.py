"""Where the repository's own files are, from whichever folder a test is in."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
PIPELINES = ROOT / "pipelines"
