"""Reading of pipeline files, and of the files they extend."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from idc.config.presets import file_or_preset, hint, missing
from idc.errors import InputError
from idc.kinds import KINDS
from idc.table import merged


def read_table(path: Path) -> dict[str, Any]:
    """The table of a pipeline file, merged with the files it extends.

    ``extends = "other.toml"`` or a list of files, relative to the file, or names of presets. They are merged
    in order, and the file's own keys override them. Tables are merged key by key, unless their ``type``
    differs; where a file names a type, a table below it without one has its kind's default type.

    Raises:
        InputError: a file does not exist, is not TOML (with line and column), or extends itself.
    """
    return _read(path, ())


def _read(path: Path, children: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in children:
        raise InputError(f"{path}: extends itself; remove one of the extends")
    table = _parsed(path)
    parents = table.pop("extends", [])
    parents = [parents] if isinstance(parents, str) else parents
    if not isinstance(parents, list) or not all(isinstance(each, str) for each in cast(list[Any], parents)):
        raise InputError(
            f"{path}: extends: {parents!r} is not allowed; it must be a file name or a list of them"
        )
    base: dict[str, Any] = {}
    for parent in cast(list[str], parents):
        parent_path = file_or_preset(path.parent / parent, parent)
        if not parent_path.exists():
            raise InputError(
                f"{path}: extends {parent!r}, but there is no file {parent_path}; give a path relative to "
                f"this file{hint(parent_path)}"
            )
        base = _laid_over(base, _read(parent_path, (*children, path.resolve())))
    return _laid_over(base, table)


def _laid_over(base: dict[str, Any], table: dict[str, Any]) -> dict[str, Any]:
    # Not of every table without a type, because a file may set a field of whatever type it is laid over.
    named = {name for name, value in table.items() if isinstance(value, Mapping) and "type" in value}
    typed = {
        name: {"type": kind.default_type, **base[name]}
        for name, kind in KINDS.items()
        if kind.default_type and name in named and isinstance(base.get(name), Mapping)
    }
    return merged({**base, **typed}, table)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        # Editors on Windows begin UTF-8 files with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise missing(path) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); pipeline files are TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; give a pipeline file (.toml) in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
