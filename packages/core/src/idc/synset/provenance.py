"""How and with what a synset was made."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from pydantic import Field

from idc.table import Record

DISTRIBUTIONS = (
    *("idc-core", "idc-augment", "idc-models"),
    *("torch", "torchvision", "kornia", "safetensors"),
)
"""What a result depends on."""


class Computed(Record):
    """How numbers were computed: what changes their rounding, or only the time they take."""

    device: str
    threads: int
    """Of the CPU."""
    precision: str | None = None
    """Of convolutions, as ``auto`` was decided; absent in files written before there was an ``auto``."""
    compiled: bool
    """Whether steps were compiled, as far as they could be."""
    classes_at_once: Annotated[int, Field(ge=1)] = 1
    """Classes matched in one call."""


def versions() -> dict[str, str]:
    """Versions of what a result depends on, by distribution; those that are installed."""
    found: dict[str, str] = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """The git commit of the working directory, with a ``+`` if files in it were changed; None without one."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
