"""Pipeline files that come with idc: one for each published number whose settings are known, and more."""

import json
from functools import cache
from pathlib import Path

from idc.errors import InputError, suggestion

FOLDER = Path(__file__).parent.parent / "pipelines"
"""The repository's ``pipelines/``, which the wheel contains too."""


def names() -> list[str]:
    """The names of all presets, such as ``cifar10-ipc10-idc``, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def preset(name: str) -> Path | None:
    """The file of a preset.

    Args:
        name: such as ``cifar10-ipc10-idc``, with or without ``.toml``. ``base/idc`` and the others in
            ``base/``, which presets extend, are found too.

    Returns:
        Its path; None if there is no such preset.
    """
    path = FOLDER / f"{name.removesuffix('.toml')}.toml"
    # A name, not a way out of the folder.
    within = ".." not in path.parts and path.is_relative_to(FOLDER)
    return path if within and path.is_file() else None


def file_or_preset(path: Path, name: str | None = None) -> Path:
    """A pipeline file, or the preset of that name where there is no such file.

    Args:
        path: of the file; a folder is none.
        name: of the preset, if it is not the whole path.
    """
    return path if path.is_file() else preset(name or path.as_posix()) or path


def hint(path: Path) -> str:
    """What else could be meant by a file that does not exist, as the end of a message."""
    name = path.stem
    if preset(name):
        return f"; a preset has that name: {name}"
    return f"; or the name of a preset{suggestion(name, names()) or ', which idc presets lists'}"


def missing(path: Path) -> InputError:
    """The error for a path that is neither a file nor the name of a preset."""
    return InputError(f"{path}: no such file; give the path of a pipeline file (.toml){hint(path)}")


@cache
def arithmetic() -> dict[str, float]:
    """Preset → floating-point operations of its pretraining and condensing, without scoring.

    They are measured by ``benchmarks/preset_arithmetic.py``. Presets whose data say how many images there are
    have none.
    """
    return json.loads((FOLDER / "arithmetic.json").read_text(encoding="utf-8"))
