"""Commands that are shown to be typed, as they must be typed here."""

import os
import shlex
from collections.abc import Iterable


def typed(words: Iterable[object]) -> str:
    """A command as a line for the shell; where uv runs idc, uv must run what is typed too."""
    line = shlex.join(map(str, words))
    # uv says where it is to what it runs.
    return f"uv run {line}" if "UV" in os.environ else line
