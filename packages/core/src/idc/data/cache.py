"""Prepared datasets, kept in the user's cache folder; needs no torch.

An entry is one safetensors file. It is written under another name and renamed when it is whole, so that no
reader ever sees half of one.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import platformdirs

from idc.errors import InputError
from idc.files.atomic import replacing
from idc.files.tensorfile import FileHeader, read_header

VARIABLE = "IDC_CACHE"
"""Environment variable that names another folder."""
PARTIAL = ".partial"
"""Ends the names of files that are being written."""
OURS = re.compile(r"[0-9a-f]{32}(\.safetensors|\.\w+\.partial)")
"""Names of entries, and of files that are being written."""
ROOM = 262_144
"""Bytes kept free for an entry's header, which is known last."""
ABANDONED = 24 * 3600
"""Seconds after which a file that is still being written is taken for one whose process was killed."""


class EntryHeader(FileHeader):
    """What a prepared dataset says of itself."""

    key: ClassVar[str] = "idc.data"
    what: ClassVar[str] = "prepared dataset"

    type: str
    """The dataset's type."""
    source: str
    """Where its images were read from, for people."""
    unreadable: dict[str, Any]
    """Images that could not be read."""
    mean: tuple[float, ...]
    """Of the training images, for each channel."""
    std: tuple[float, ...]
    """Standard deviation, likewise."""
    fingerprints: tuple[str, str]
    """Of both splits."""


@dataclass(frozen=True)
class Entry:
    """A file in the cache folder."""

    path: Path
    size: int
    """Bytes."""
    header: EntryHeader | None
    """None where the file is damaged or unfinished."""


def folder() -> Path:
    """Where prepared datasets are: ``IDC_CACHE``, or the user's cache folder."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("idc", appauthor=False)


def path_of(key: str) -> Path:
    """Where the entry with a key is, if it is there."""
    return folder() / f"{key}.safetensors"


def entries() -> list[Entry]:
    """All entries, and what killed processes have left."""
    found: list[Entry] = []
    for path in _ours():
        header: EntryHeader | None = None
        with suppress(InputError):
            header = read_header(path, EntryHeader).header
        # Another process may have renamed or removed it meanwhile.
        with suppress(FileNotFoundError):
            found.append(Entry(path, path.stat().st_size, header))
    return found


def empty() -> int:
    """Remove every entry; what a running condensation has mapped stays with it on Linux and macOS.

    What a process may be writing still is left alone.

    Returns:
        Bytes that were freed.

    Raises:
        OSError: a file cannot be removed.
    """
    freed = 0
    for entry in entries():
        if entry.path.suffix == PARTIAL and not _abandoned(entry.path):
            continue
        entry.path.unlink(missing_ok=True)
        freed += entry.size
    return freed


class Writing:
    """An entry in the making: a safetensors file whose first tensors are known when all others are written.

    Args:
        file: open for writing, empty.
        first: bytes that the first tensors take at most.
    """

    def __init__(self, file: Any, first: int) -> None:
        self._file = file
        self._begin = -(-(ROOM + first) // 8) * 8
        file.seek(self._begin)

    def write(self, data: memoryview | bytes) -> None:
        """Append bytes of the tensors that come last."""
        self._file.write(data)

    def finish(
        self,
        first: Mapping[str, tuple[str, tuple[int, ...], bytes]],
        last: Mapping[str, tuple[str, tuple[int, ...], int]],
        described: EntryHeader,
    ) -> None:
        """Write what was not known.

        Args:
            first: number format, shape and bytes of the tensors before those that were appended.
            last: number format, shape and number of bytes of those that were, in their order.
            described: the entry's header.
        """
        sizes = [(name, dtype, shape, len(data)) for name, (dtype, shape, data) in first.items()]
        sizes += [(name, *facts) for name, facts in last.items()]
        header: dict[str, Any] = {"__metadata__": described.metadata()}
        offset = 0
        for name, dtype, shape, size in sizes:
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (offset, offset + size)}
            offset += size
        data = b"".join(data for _, _, data in first.values())
        # The header ends where the first tensor begins; spaces fill it, as the format allows.
        length = self._begin - len(data) - 8
        text = json.dumps(header).encode()
        if len(text) > length:
            raise OSError(f"the header takes {len(text)} bytes, and there is room for {length}")
        self._file.seek(0)
        self._file.write(length.to_bytes(8, "little") + text.ljust(length) + data)


@contextmanager
def writing(key: str, first: int) -> Iterator[Writing]:
    """An entry to be written within the block, at the end of which it is there; if the block fails it is not.

    Args:
        key: of the entry.
        first: bytes that the tensors known last take at most.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    for left in _ours():
        if left.suffix == PARTIAL and _abandoned(left):
            left.unlink(missing_ok=True)
    with replacing(path_of(key), f"{key}.", PARTIAL) as partial, partial.open("wb") as file:
        yield Writing(file, first)


def _ours() -> list[Path]:
    # Only what is named as ours are: the folder may hold other files.
    there = sorted(folder().iterdir()) if folder().is_dir() else []
    return [path for path in there if OURS.fullmatch(path.name)]


def _abandoned(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > ABANDONED
    # Renamed meanwhile, because it is whole.
    except FileNotFoundError:
        return False


def free() -> int:
    """Bytes that are free where the cache folder is, or will be."""
    place = folder().absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
