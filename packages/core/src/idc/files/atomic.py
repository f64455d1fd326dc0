"""Writing a file whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, prefix: str, suffix: str) -> Iterator[Path]:
    """A file to fill within the block, at whose end it is flushed to disk and takes the place of ``path``.

    A reader sees the old file or the whole new one; when the block fails nothing is left behind.

    Args:
        path: the file; its folder is made.
        prefix: begins the name of the file to fill, which is beside it.
        suffix: ends it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=suffix)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        # mkstemp makes files private; these are as public as the user's umask makes any other.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a file as `replacing` does."""
    with replacing(path, f".{path.name}.", path.suffix) as temporary:
        write(temporary)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; the file is whole or not there.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, lambda file: file.write_text(text, encoding="utf-8"))


def previous(path: Path) -> Path:
    """Where `replace_verified` keeps the file before the last one."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def replace_verified(path: Path, write: Callable[[Path], object], verify: Callable[[Path], object]) -> None:
    """Write a file, read it back, and only then put it in the place of the old one, which is kept.

    Whenever the process is killed, ``path`` or `previous` is a whole file.

    Args:
        path: the file.
        write: fills a file.
        verify: raises if it finds one damaged.
    """
    new = path.with_name(f".{path.name}.new{path.suffix}")
    write_atomically(new, write)
    try:
        verify(new)
        if path.exists():
            try:
                verify(path)
                path.replace(previous(path))
            # A damaged one must not take the place of the one before it, which may be the only whole one.
            except ValueError:
                path.unlink()
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    synchronize(path.parent)


def synchronize(folder: Path) -> None:
    """Let a folder's entries be on the disk, where the system can do so."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
