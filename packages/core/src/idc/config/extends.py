"""Pipeline files: TOML, and what they extend."""

import tomllib
from pathlib import Path
from typing import Any, cast

from idc.errors import InputError
from idc.table import merged


def read_table(path: Path) -> dict[str, Any]:
    """The table that a pipeline file holds, with those it extends below it.

    ``extends = "other.toml"`` or a list of files, relative to the file, begins with their tables, one over
    the other; the file's own keys go on top. Tables are merged key by key, unless they name another ``type``.

    Raises:
        InputError: a file is not there, is not TOML (with line and column), or extends itself.
    """
    return _read(path, ())


def _read(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in above:
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
        below = path.parent / parent
        if not below.exists():
            raise InputError(
                f"{path}: extends {parent!r}, but there is no {below}; it is relative to the file"
            )
        base = merged(base, _read(below, (*above, path.resolve())))
    return merged(base, table)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        # Editors on Windows begin UTF-8 files with a byte order mark.
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the path of a pipeline file (.toml)") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); pipeline files are TOML") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder; give a pipeline file (.toml) in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
