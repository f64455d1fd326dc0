"""Commands to copy and paste into a shell."""

import os
import shlex
from collections.abc import Iterable


def shell_line(words: Iterable[object]) -> str:
    """A command as a line for the shell; begins with ``uv run`` where uv runs this process."""
    line = shlex.join(map(str, words))
    # uv tells the processes that it runs where it is.
    return f"uv run {line}" if "UV" in os.environ else line
