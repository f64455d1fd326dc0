"""The files of pools of pretrained networks; listing them does not import torch."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from idc.data import cache
from idc.errors import InputError
from idc.files.tensorfile import FileHeader, read_header
from idc.table import Table

NETWORK_NAME = re.compile(r"network-\d+\.(safetensors|\w+\.partial)")
"""Names of networks and of files that are being written."""


class PoolRecipe(Table):
    """Everything that determines the networks of a pool, except how many there are."""

    model: dict[str, Any]
    data: str
    """Fingerprint of the training split."""
    classes: int
    mean: tuple[float, ...]
    """Of each channel, by which the images were normalised."""
    std: tuple[float, ...]
    """Of each channel."""
    training: dict[str, Any]
    epochs: tuple[float, ...]
    """After which the weights were kept."""
    milestones: tuple[float, ...]
    decay: float
    precision: str
    seed: int

    def text(self) -> str:
        """All fields as JSON with sorted keys, so that equal recipes give equal texts."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def fingerprint(self) -> str:
        """A hash of all fields, which names the pool's folder in the cache."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:32]


class PoolHeader(FileHeader):
    """Header of one network of a pool."""

    key: ClassVar[str] = "idc.pool"
    what: ClassVar[str] = "network of a pool"

    source: str
    """What was trained and for how long, for display."""
    recipe: PoolRecipe
    number: int
    """Of the network in its pool, from 0."""
    accuracy: tuple[float, ...]
    """Accuracy in percent at each kept age, on the training batches since the one before; 0 at age 0."""
    tensors: str
    """SHA-256 of all tensors."""


@dataclass(frozen=True)
class StoredPool:
    """A folder of networks in the cache."""

    path: Path
    networks: int
    """How many are finished."""
    size: int
    """Bytes."""
    header: PoolHeader | None
    """Of one of its networks; None if none can be read."""


def folder() -> Path:
    """The folder of all pools, in the cache folder."""
    return cache.folder() / "pools"


def file_of(pool: Path, number: int) -> Path:
    """The file of a network, whether or not it exists."""
    return pool / f"network-{number}.safetensors"


def stored() -> list[StoredPool]:
    """All pools in the cache."""
    found: list[StoredPool] = []
    for pool in _pools():
        header, networks, size = None, 0, 0
        for file in _files(pool):
            # Another process may have renamed or removed it in the meantime.
            with suppress(FileNotFoundError):
                size += file.stat().st_size
            networks += file.suffix != cache.PARTIAL
            with suppress(InputError):
                header = header or read_header(file, PoolHeader).header
        found.append(StoredPool(pool, networks, size, header))
    return found


def empty() -> int:
    """Remove all pools from the cache, except unfinished files that may still be written.

    A running condensation that starts another network of a pool then stops; resuming it trains the pool
    again.

    Returns:
        Bytes that were freed.

    Raises:
        OSError: a file cannot be removed.
    """
    freed = 0
    for pool in _pools():
        freed += cache.remove(_files(pool))
        # It may hold files of others, or one that is being written.
        with suppress(OSError):
            pool.rmdir()
    return freed


def remove_abandoned(pool: Path) -> None:
    """Remove what killed processes left unfinished in a pool's folder."""
    cache.remove_abandoned(_files(pool))


def _pools() -> Iterator[Path]:
    return filter(Path.is_dir, sorted(folder().iterdir()) if folder().is_dir() else [])


def _files(pool: Path) -> list[Path]:
    # The folder may contain files of other programs.
    everything = sorted(pool.iterdir()) if pool.is_dir() else []
    return [path for path in everything if NETWORK_NAME.fullmatch(path.name)]
