"""safetensors files with a checked, typed header; reading headers does not import torch."""

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
"""Enough for a million class names; safetensors itself would accept 100 MB."""


class StoredTensor(BaseModel):
    """A tensor's entry in a safetensors header."""

    dtype: str
    """Such as ``F32``."""
    shape: tuple[NonNegativeInt, ...]
    data_offsets: tuple[NonNegativeInt, NonNegativeInt]
    """First byte and end, counted from the end of the header."""


class FileHeader(Table):
    """The header of a file written by idc: JSON in the metadata of a safetensors file."""

    key: ClassVar[str]
    """Key in the metadata."""
    what: ClassVar[str]
    """Name of the kind of file in messages."""
    latest: ClassVar[int] = 1
    """Version of the layout that this idc reads and writes."""

    format: Annotated[int, Field(ge=1)] = 1
    """Version of the file's layout."""

    def metadata(self) -> dict[str, str]:
        """The metadata to write; keys are sorted, so that equal headers give equal bytes."""
        values = self.model_dump(mode="json", exclude_none=True) | {"format": self.latest}
        return {self.key: json.dumps(values, sort_keys=True)}


H = TypeVar("H", bound=FileHeader)


@dataclass(frozen=True)
class Described(Generic[H]):
    """A file's header and the tensors it lists; no tensor has been read."""

    header: H
    tensors: dict[str, StoredTensor]


def read_header(path: Path, kind: type[H]) -> Described[H]:
    """Read and check a file's header.

    Args:
        path: the file.
        kind: of header that it must have.

    Raises:
        InputError: there is no such file, it is not a complete safetensors file of this kind, or its format
            has another version.
    """
    try:
        metadata, tensors = _read_safetensors_header(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = explain(error) if isinstance(error, ValidationError) else first_line(error)
        raise InputError(
            f"{path}: not a readable safetensors file ({reason}); if it was copied or downloaded, it may be "
            "truncated: fetch it again"
        ) from None
    if kind.key not in metadata:
        raise InputError(
            f"{path}: not a {kind.what}, but another safetensors file (its header has no {kind.key!r})"
        )
    try:
        values = json.loads(metadata[kind.key])
    # Numbers with thousands of digits raise a plain ValueError.
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: the header is not valid JSON ({error}); the file is damaged") from None
    written = values.get("format") if isinstance(values, dict) else None
    if isinstance(written, int) and written != kind.latest:
        older = "it was written by an older idc, so create it again"
        remedy = "upgrade idc-core" if written > kind.latest else older
        raise InputError(
            f"{path}: {kind.what} format {written}, but this idc reads format {kind.latest}; {remedy}"
        )
    try:
        return Described(kind.model_validate(values), tensors)
    except ValidationError as error:
        raise InputError(f"{path}: not a valid {kind.what} header\n{explain(error)}") from None


def write_tensors(path: Path, tensors: "Mapping[str, Tensor]", header: FileHeader) -> None:
    """Write tensors on the CPU, and a header, to a file.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save

    whole: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.contiguous()
        # The library refuses tensors that share memory.
        shared = own.untyped_storage().data_ptr() in storages
        whole[name] = own.clone() if shared else own
        storages.add(own.untyped_storage().data_ptr())
    # The library's save_file hides the system's error message.
    path.write_bytes(save(whole, header.metadata()))


def _read_safetensors_header(path: Path) -> tuple[dict[str, str], dict[str, StoredTensor]]:
    """Metadata and tensors by name.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a complete safetensors file.
    """
    # By hand (a length, then JSON), because the library would import NumPy or torch, which takes longer than
    # all the rest of `idc inspect`.
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= size - 8:
            raise ValueError("it has no header, or ends within it")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header has {length} bytes; at most {MAX_HEADER_BYTES} are allowed")
        text = file.read(length)
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError("its header is nested too deeply") from None
    if not isinstance(values, dict):
        raise ValueError("its header is not a JSON object")
    metadata = values.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata is not a table of strings")
    tensors = {name: StoredTensor.model_validate(value) for name, value in values.items()}
    end = 8 + length + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0)
    if end != size:
        raise ValueError(f"its header describes {end} bytes, but the file has {size}")
    return metadata, tensors
