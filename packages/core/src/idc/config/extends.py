"""Reading of pipeline files, and of the files they extend."""

import tomllib
from pathlib import Path
from typing import Any, cast

from idc.errors import InputError
from idc.table import merged


def read_table(path: Path) -> dict[str, Any]:
    """The table of a pipeline file, merged with the files it extends.

    ``extends = "other.toml"`` or a list of files, relative to the file. They are merged in order, and the
    file's own keys override them. Tables are merged key by key, unless their ``type`` differs.

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
        parent_path = path.parent / parent
        if not parent_path.exists():
            raise InputError(
                f"{path}: extends {parent!r}, but there is no file {parent_path}; give a path relative to "
                "this file"
            )
        base = merged(base, _read(parent_path, (*children, path.resolve())))
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
        raise InputError(f"{path}: is a folder; give a pipeline file (.toml) in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
