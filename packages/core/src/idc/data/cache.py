"""Prepared datasets in the user's cache folder; does not import torch.

An entry is one safetensors file, written under another name and renamed when it is complete.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import platformdirs

from idc.errors import InputError
from idc.files.atomic import replacing
from idc.files.tensorfile import FileHeader, read_header

VARIABLE = "IDC_CACHE"
"""Environment variable for the cache folder."""
PARTIAL = ".partial"
"""Suffix of files that are being written."""
ENTRY_NAME = re.compile(r"[0-9a-f]{32}(\.safetensors|\.\w+\.partial)")
"""Names of entries and of files that are being written."""
RESERVED_HEADER_BYTES = 262_144
"""Space at the beginning of an entry for the header, which is written last."""
ABANDONED_AFTER = 24 * 3600
"""Seconds without a change after which an unfinished file is considered abandoned by a killed process."""


class EntryHeader(FileHeader):
    """Header of a prepared dataset."""

    key: ClassVar[str] = "idc.data"
    what: ClassVar[str] = "prepared dataset"

    type: str
    """The dataset's type."""
    source: str
    """Where its images were read from, for display."""
    unreadable: dict[str, Any]
    """Images that could not be read, as `UnreadableImages`."""
    mean: tuple[float, ...]
    """Mean of each channel over the training images."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training images."""
    fingerprints: tuple[str, str]
    """Of the training and the test split."""


@dataclass(frozen=True)
class Entry:
    """A file in the cache folder."""

    path: Path
    size: int
    """Bytes."""
    header: EntryHeader | None
    """None if the file is damaged or unfinished."""


def folder() -> Path:
    """The folder of prepared datasets: ``IDC_CACHE``, or the user's cache folder."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else platformdirs.user_cache_path("idc", appauthor=False)


def path_of(key: str) -> Path:
    """Path of the entry with a key, whether or not it exists."""
    return folder() / f"{key}.safetensors"


def entries() -> list[Entry]:
    """All entries, including unfinished files."""
    found: list[Entry] = []
    for path in _files():
        header: EntryHeader | None = None
        with suppress(InputError):
            header = read_header(path, EntryHeader).header
        # Another process may have renamed or removed it in the meantime.
        with suppress(FileNotFoundError):
            found.append(Entry(path, path.stat().st_size, header))
    return found


def empty() -> int:
    """Remove every entry, except unfinished files that may still be written.

    On Linux and macOS, running condensations keep the data they have memory-mapped.

    Returns:
        Bytes that were freed.

    Raises:
        OSError: a file cannot be removed.
    """
    return remove(_files())


def remove(files: Iterable[Path]) -> int:
    """Remove files, except unfinished ones that may still be written.

    Returns:
        Bytes that were freed.

    Raises:
        OSError: a file cannot be removed.
    """
    freed = 0
    for file in files:
        if file.suffix == PARTIAL and not _abandoned(file):
            continue
        # Another process may have renamed or removed it in the meantime.
        with suppress(FileNotFoundError):
            size = file.stat().st_size
            file.unlink()
            freed += size
    return freed


def remove_abandoned(files: Iterable[Path]) -> None:
    """Remove what killed processes left unfinished."""
    remove(file for file in files if file.suffix == PARTIAL)


class EntryWriter:
    """Writes an entry: first the large tensors, block by block, then the header and the small tensors.

    Args:
        file: open for writing, empty.
        first: maximum bytes of the small tensors, which come first in the file.
    """

    def __init__(self, file: Any, first: int) -> None:
        self._file = file
        self._begin = -(-(RESERVED_HEADER_BYTES + first) // 8) * 8
        file.seek(self._begin)

    def write(self, data: memoryview | bytes) -> None:
        """Append bytes of the large tensors."""
        self._file.write(data)

    def finish(
        self,
        first: Mapping[str, tuple[str, tuple[int, ...], bytes]],
        last: Mapping[str, tuple[str, tuple[int, ...], int]],
        described: EntryHeader,
    ) -> None:
        """Write the header and the small tensors.

        Args:
            first: small tensor → dtype, shape and bytes.
            last: large tensor → dtype, shape and number of bytes, in the order they were written.
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
        # The safetensors format allows padding the header with spaces up to the first tensor.
        length = self._begin - len(data) - 8
        text = json.dumps(header).encode()
        if len(text) > length:
            raise OSError(f"the header has {len(text)} bytes, but only {length} are reserved for it")
        self._file.seek(0)
        self._file.write(length.to_bytes(8, "little") + text.ljust(length) + data)


@contextmanager
def writing(key: str, first: int) -> Iterator[EntryWriter]:
    """A writer for an entry, which is created when the block ends without an error.

    Args:
        key: of the entry.
        first: maximum bytes of the small tensors, see `EntryWriter`.

    Raises:
        OSError: the folder cannot be written to, or the disk is full.
    """
    remove_abandoned(_files())
    with replacing(path_of(key), f"{key}.", PARTIAL) as partial, partial.open("wb") as file:
        yield EntryWriter(file, first)


def _files() -> list[Path]:
    # The folder may contain files of other programs.
    everything = sorted(folder().iterdir()) if folder().is_dir() else []
    return [path for path in everything if ENTRY_NAME.fullmatch(path.name)]


def _abandoned(path: Path) -> bool:
    """Whether an unfinished file was left by a killed process."""
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_AFTER
    # Finished and renamed in the meantime.
    except FileNotFoundError:
        return False


def free() -> int:
    """Free bytes on the cache folder's disk; the folder need not exist."""
    place = folder().absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free
