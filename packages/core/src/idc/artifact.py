"""The synset file: safetensors, with the pipeline and all facts about the images in its header.

Reading a header needs neither torch nor the plugins it names.
"""

import json
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError, field_validator

from idc.allocator import Allocator
from idc.errors import InputError, explain
from idc.spec import ImageSpec
from idc.stage import Table
from idc.tensorfile import StoredTensor, read_header

FORMAT = 1
KEY = "idc"


class Computed(Table):
    """How numbers were computed: what rounds them, or only takes time."""

    device: str
    threads: int
    """Of the CPU."""
    compiled: bool
    """Whether steps were compiled, as far as they could be; the precision is in the pipeline."""
    classes_at_once: Annotated[int, Field(ge=1)] = 1
    allocator: Allocator


class Header(Table):
    """Everything about a synset but its numbers; JSON under the metadata key ``idc``."""

    format: Annotated[int, Field(ge=1)] = FORMAT
    """Version of this layout."""
    pipeline: dict[str, Any]
    """The resolved pipeline that made the synset."""
    spec: ImageSpec
    iterations: Annotated[int, Field(ge=0)]
    """Outer iterations done; fewer than the pipeline's where the run was interrupted."""
    budget: Annotated[int, Field(ge=1)]
    """Stored numbers of all classes together, a decoder's shared ones included."""
    images: Annotated[int, Field(ge=1)]
    """Training images that decoding gives, all classes together."""
    fingerprint: str
    """SHA-256 of the training split that was condensed."""
    versions: dict[str, str]
    """Versions of idc's distributions, torch and safetensors at the time."""
    computed: Computed | None = None
    """How the condensation was computed; absent in files written before this was kept."""
    tensors: str | None = None
    """SHA-256 of all stored tensors; absent likewise."""
    seconds: Annotated[float, Field(ge=0)] | None = None
    """That the condensation took by the clock, without interruptions; absent where nobody counted."""
    commit: str | None = None
    """Of the git repository that the working directory was in, with a ``+`` if files in it were changed."""

    @field_validator("spec", mode="before")
    @classmethod
    def _without_a_highest_value(cls, spec: object) -> object:
        # What is None is not written, but here the default is another.
        return {"high": None, **spec} if isinstance(spec, dict) else spec

    @field_validator("pipeline")
    @classmethod
    def _decodable(cls, pipeline: dict[str, Any]) -> dict[str, Any]:
        needed = {"method": str, "images_per_class": int, "decoder": dict}
        for name, kind in needed.items():
            if not isinstance(pipeline.get(name), kind):
                raise ValueError(f"{name} is missing or not what it should be; the file is damaged")
        return pipeline

    def text(self) -> str:
        """The header as the file holds it: keys sorted, so that equal headers are equal bytes."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True)


class Artifact(NamedTuple):
    """What a synset file says of itself before any number is read."""

    header: Header
    tensors: dict[str, StoredTensor]


def read(path: Path) -> Artifact:
    """Read a synset's header.

    Args:
        path: the file, or a run folder that holds ``synset.safetensors``.

    Raises:
        InputError: no such file, not safetensors (truncated, say), not a synset, or a newer format.
    """
    path = locate(path)
    try:
        metadata, tensors = read_header(path)
    except (OSError, ValueError, ValidationError) as error:
        raise InputError(
            f"{path}: not a readable safetensors file ({_reason(error)}); "
            "if it was copied or downloaded it may be truncated: fetch it again"
        ) from None
    if KEY not in metadata:
        raise InputError(
            f"{path}: a safetensors file but not a synset of idc (no {KEY!r} in its header); "
            "give the synset.safetensors of a run"
        )
    return Artifact(_header(path, metadata[KEY]), tensors)


def locate(path: Path) -> Path:
    """The synset file that a path means: itself, or the one in a run folder.

    Raises:
        InputError: there is none.
    """
    try:
        file = path / "synset.safetensors" if path.is_dir() else path
        found = file.is_file()
    except OSError:
        file, found = path, False
    if not found:
        raise InputError(f"{file}: no such file; give a synset.safetensors or a finished run's folder")
    return file


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


def versions() -> dict[str, str]:
    """Versions of what a result depends on, by distribution."""
    found: dict[str, str] = {}
    for name in ("idc-core", "idc-augment", "idc-models", "torch", "torchvision", "kornia", "safetensors"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def refuse_newer(path: Path, what: str, values: object, known: int) -> None:
    """Refuse a file whose header says that it is of a later format.

    Args:
        path: the file.
        what: it is to the message.
        values: its header.
        known: the latest format that can be read.

    Raises:
        InputError: naming both formats.
    """
    written = values.get("format") if isinstance(values, dict) else None
    if isinstance(written, int) and written > known:
        raise InputError(
            f"{path}: {what} format {written}, but this idc reads up to {known}; upgrade idc-core"
        )


def _reason(error: Exception) -> str:
    return explain(error) if isinstance(error, ValidationError) else str(error)


def _header(path: Path, text: str) -> Header:
    try:
        values = json.loads(text)
    # Numbers of thousands of digits are a ValueError too.
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: the header is not valid JSON ({error}); the file is damaged") from None
    refuse_newer(path, "synset", values, FORMAT)
    try:
        return Header.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: the header is not a synset's\n{explain(error)}") from None
