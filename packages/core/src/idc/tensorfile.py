"""Files of tensors (safetensors): what they say of themselves; and writing any file whole or not at all.

Needs no torch.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, NonNegativeInt

if TYPE_CHECKING:
    from torch import Tensor

LONGEST_HEADER = 16_000_000
"""Bytes: a million class names, and little enough to be read by anybody; the library would take 100 MB."""


class StoredTensor(BaseModel):
    """What a safetensors header says of a tensor."""

    dtype: str
    """Number format, such as ``F32``."""
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]
    """First byte and end in the data that follows the header."""


def read_header(path: Path) -> tuple[dict[str, str], dict[str, StoredTensor]]:
    """What a safetensors file says of itself: its metadata, and its tensors by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a whole safetensors file.
    """
    # By hand (a length, then JSON) because the library imports NumPy or torch for it, which takes longer than
    # all the rest of `idc inspect`. Loading the numbers is left to the library.
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise ValueError("it does not begin with a header, or is shorter than that says")
        if length > LONGEST_HEADER:
            raise ValueError(f"its header would be {length} bytes long")
        text = file.read(length)
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("its header is not a JSON object")
    metadata = values.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata is not a table of texts")
    tensors = {name: StoredTensor.model_validate(value) for name, value in values.items()}
    end = 8 + length + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if end != size:
        raise ValueError(f"its header describes {end} bytes, but the file has {size}")
    return metadata, tensors


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


def write_tensors(path: Path, tensors: "Mapping[str, Tensor]", metadata: Mapping[str, str]) -> None:
    """Fill a file with tensors on the CPU.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save

    # Not the library's save_file, whose errors do not say what the system said.
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    path.write_bytes(save(whole, dict(metadata)))


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
