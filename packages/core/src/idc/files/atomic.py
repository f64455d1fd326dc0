"""Atomic file writing: readers see the old file or the complete new one."""

import glob
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, prefix: str, suffix: str) -> Iterator[Path]:
    """A temporary file to fill within the block; then it is flushed to disk and renamed to ``path``.

    If the block fails, the temporary file is removed.

    Args:
        path: the file; its folder is created.
        prefix: of the temporary file's name, in the same folder.
        suffix: of the temporary file's name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; give them the permissions of any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file with `replacing`; ``write`` fills it."""
    with replacing(path, f".{path.name}.", path.suffix) as temporary:
        write(temporary)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, lambda file: file.write_text(text, encoding="utf-8"))


def leftovers(path: Path) -> list[Path]:
    """Temporary files that a process which was killed while it wrote a file has left beside it."""
    # With two dots: of the new version that `replace_verified` verifies.
    patterns = (f"{dots}{glob.escape(path.name)}.*{glob.escape(path.suffix)}" for dots in (".", ".."))
    return [found for pattern in patterns for found in path.parent.glob(pattern) if found.is_file()]


def previous(path: Path) -> Path:
    """Where `replace_verified` keeps the previous version of a file."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def replace_verified(path: Path, write: Callable[[Path], object], verify: Callable[[Path], object]) -> None:
    """Write a file, verify it, and only then replace the old one, which is kept as `previous`.

    If the process is killed at any time, ``path`` or `previous` is a complete file.

    Args:
        path: the file.
        write: fills a file.
        verify: raises if a file is damaged; a ValueError for the old one.
    """
    new = path.with_name(f".{path.name}.new{path.suffix}")
    write_atomically(new, write)
    try:
        verify(new)
        if path.exists():
            try:
                verify(path)
                path.replace(previous(path))
            # A damaged file must not replace the previous one, which may be the only valid one.
            except ValueError:
                path.unlink()
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    synchronize(path.parent)


def synchronize(folder: Path) -> None:
    """Flush a folder's entries to disk, if the system supports it."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
