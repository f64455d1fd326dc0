"""safetensors files with a checked, typed header; needs no torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, TypeVar

from pydantic import BaseModel, Field, NonNegativeInt, ValidationError

from idc.errors import InputError, explain, first_line
from idc.table import Table

if TYPE_CHECKING:
    from torch import Tensor

MAX_HEADER_BYTES = 16_000_000
"""A million class names, and little enough to be read anywhere; the library would accept 100 MB."""


class StoredTensor(BaseModel):
    """What a safetensors header says of a tensor."""

    dtype: str
    """Number format, such as ``F32``."""
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]
    """First byte and end in the data that follows the header."""


class FileHeader(Table):
    """What a file of ours says of itself: JSON in the metadata of a safetensors file."""

    key: ClassVar[str]
    """Of the metadata."""
    what: ClassVar[str]
    """What messages call such a file."""
    latest: ClassVar[int] = 1
    """Version of the layout that is written."""

    format: Annotated[int, Field(ge=1)] = 1
    """Version of the file's layout."""

    def metadata(self) -> dict[str, str]:
        """The metadata to write. Keys are sorted, so that equal headers are equal bytes."""
        values = self.model_dump(mode="json", exclude_none=True) | {"format": self.latest}
        return {self.key: json.dumps(values, sort_keys=True)}


H = TypeVar("H", bound=FileHeader)


@dataclass(frozen=True)
class Described(Generic[H]):
    """What a file says of itself before any number is read."""

    header: H
    tensors: dict[str, StoredTensor]


def read_header(path: Path, kind: type[H]) -> Described[H]:
    """Read and check a file's header.

    Args:
        path: the file.
        kind: the header that it must have.

    Raises:
        InputError: there is no such file, it is not a whole safetensors file or not one of this kind, or it
            is of another format.
    """
    try:
        metadata, tensors = _read_safetensors_header(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = explain(error) if isinstance(error, ValidationError) else first_line(error)
        raise InputError(
            f"{path}: not a readable safetensors file ({reason}); if it was copied or downloaded it may be "
            "truncated: fetch it again"
        ) from None
    if kind.key not in metadata:
        raise InputError(
            f"{path}: a safetensors file, but not a {kind.what} of idc (no {kind.key!r} in its header)"
        )
    try:
        values = json.loads(metadata[kind.key])
    # Numbers of thousands of digits are a ValueError too.
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: the header is not valid JSON ({error}); the file is damaged") from None
    written = values.get("format") if isinstance(values, dict) else None
    if isinstance(written, int) and written != kind.latest:
        remedy = (
            "upgrade idc-core" if written > kind.latest else "it was written by an older idc; make it again"
        )
        raise InputError(f"{path}: {kind.what} format {written}, but this idc reads {kind.latest}; {remedy}")
    try:
        return Described(kind.model_validate(values), tensors)
    except ValidationError as error:
        raise InputError(f"{path}: the header is not that of a {kind.what}\n{explain(error)}") from None


def write_tensors(path: Path, tensors: "Mapping[str, Tensor]", header: FileHeader) -> None:
    """Fill a file with tensors on the CPU, and a header.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save

    # Not the library's save_file, whose errors do not say what the system said.
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    path.write_bytes(save(whole, header.metadata()))


def _read_safetensors_header(path: Path) -> tuple[dict[str, str], dict[str, StoredTensor]]:
    """Metadata and tensors by name.

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
        if length > MAX_HEADER_BYTES:
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
