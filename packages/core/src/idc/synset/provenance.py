"""Provenance of a synset: how and with which versions it was made."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from pydantic import Field

from idc.table import Record

DISTRIBUTIONS = (
    *("idc-core", "idc-augment", "idc-models"),
    *("torch", "torchvision", "kornia", "safetensors"),
)
"""Distributions that a result depends on."""


class Computed(Record):
    """How a run was computed; affects only rounding and time."""

    device: str
    threads: int
    """CPU threads."""
    precision: str | None = None
    """Precision of convolutions, with ``auto`` decided; absent in older files."""
    compiled: bool
    """Whether steps were compiled, if possible."""
    classes_at_once: Annotated[int, Field(ge=1)] = 1
    """Classes matched in one call."""


def versions() -> dict[str, str]:
    """Distribution → version, of the installed ones that a result depends on."""
    found: dict[str, str] = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Git commit of the working directory, with a ``+`` if files were changed; None without a repository."""
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
