"""The header of a synset file: its pipeline, image format and provenance.

Reading it imports neither torch nor the plugins it names.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from idc.errors import InputError
from idc.files.tensorfile import Described, FileHeader, read_header
from idc.spec import ImageSpec
from idc.synset.provenance import Computed

FILE = "synset.safetensors"
"""Name of the synset in a run folder."""


class Header(FileHeader):
    """Everything about a synset except its tensors."""

    key: ClassVar[str] = "idc"
    what: ClassVar[str] = "synset"

    pipeline: dict[str, Any]
    """The resolved pipeline that made the synset."""
    spec: ImageSpec
    iterations: Annotated[int, Field(ge=0)]
    """Outer iterations done; fewer than the pipeline's if the run was interrupted."""
    budget: Annotated[int, Field(ge=1)]
    """Stored numbers of all classes together, including shared tensors and soft labels."""
    images: Annotated[int, Field(ge=1)]
    """Number of decoded training images of all classes together."""
    labels: Literal["hard", "soft"] = "hard"
    """Class numbers, or probabilities."""
    fingerprint: str
    """SHA-256 of the training split that was condensed."""
    versions: dict[str, str]
    """Versions of idc's distributions, torch and safetensors during the condensation."""
    computed: Computed | None = None
    """How the condensation was computed; absent in older files."""
    tensors: str | None = None
    """SHA-256 of all stored tensors; absent in older files."""
    seconds: Annotated[float, Field(ge=0)] | None = None
    """Wall-clock seconds of the condensation, without interruptions; absent if not measured."""
    commit: str | None = None
    """Git commit of the working directory, with a ``+`` if files were changed."""

    @property
    def planned(self) -> int:
        """Outer iterations of the whole run, of all groups of classes; 0 if the pipeline does not say."""
        # As it stands in the file, where nothing has checked it.
        match self.pipeline:
            case {"groups": {"classes": int(size)}} if size > 0:
                count = -(-len(self.spec.classes) // size)
            case {"groups": {"classes": list(groups)}}:
                count = len(groups)
            case _:
                count = 1
        iterations = self.pipeline.get("iterations")
        return iterations * count if isinstance(iterations, int) else 0

    def made_by(self, method: str, budget: int, iterations: int) -> bool:
        """Whether a run whose report says so made this synset."""
        return (method, budget, iterations) == (self.pipeline["method"], self.budget, self.iterations)

    @field_validator("spec", mode="before")
    @classmethod
    def _without_a_highest_value(cls, spec: object) -> object:
        # None is not written to the file, but the default of `high` is not None.
        return {"high": None, **spec} if isinstance(spec, dict) else spec

    @field_validator("pipeline")
    @classmethod
    def _decodable(cls, pipeline: dict[str, Any]) -> dict[str, Any]:
        needed = {"method": str, "images_per_class": int, "decoder": dict}
        for name, kind in needed.items():
            if not isinstance(pipeline.get(name), kind):
                raise ValueError(f"{name} is missing or has the wrong type; the file is damaged")
        return pipeline


def read(path: Path) -> Described[Header]:
    """Read a synset's header.

    Args:
        path: the file, or a run folder that holds ``synset.safetensors``.

    Raises:
        InputError: no such file, not safetensors (or truncated), not a synset, or another format version.
    """
    return read_header(locate(path), Header)


def locate(path: Path) -> Path:
    """The synset file at a path, or in a run folder.

    Raises:
        InputError: there is no such file.
    """
    try:
        file = path / FILE if path.is_dir() else path
        found = file.is_file()
    except OSError:
        file, found = path, False
    if not found:
        raise InputError(f"{file}: no such file; give a {FILE} or a finished run's folder")
    return file
