"""Files in one folder per class."""

import os
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from idc.kinds import InputError


def files_by_class(
    folder: Path, endings: Collection[str], wanted: Sequence[str] | None, what: str
) -> dict[str, list[Path]]:
    """Files below ``<folder>/<class>``, at any depth, by class.

    Names that begin with a dot are skipped. Links are followed, but no folder is visited twice.

    Args:
        folder: of a split.
        endings: of file names, in lower case.
        wanted: names of the classes; all by default.
        what: the files are, for messages, such as ``image``.

    Returns:
        Class → its files, sorted by path. Classes are in the order of ``wanted``, or sorted.

    Raises:
        InputError: there are no class folders, a class in ``wanted`` has none, or a folder has no such files.
    """
    expected = f"expected {folder}/<class>/<{what}>"
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    except OSError as error:
        raise InputError(f"dataset.path: {folder} cannot be read ({error.strerror}); {expected}") from None
    folders = {readable(name): folder / name for name in names}
    if len(folders) < len(names):
        raise InputError(
            f"dataset.path: two folders in {folder} have the same name as Unicode text; rename one of them"
        )
    if not folders:
        raise InputError(f"dataset.path: there are no class folders in {folder}; {expected}")
    for name in wanted or ():
        if name not in folders:
            known = ", ".join(list(folders)[:10]) + (", …" if len(folders) > 10 else "")
            raise InputError(f"dataset.classes: there is no class {name!r} in {folder}; there are {known}")
    found = {name: sorted(_files(folders[name], endings)) for name in wanted or folders}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise InputError(
            f"dataset.path: class {empty[0]!r} has no {what} in {folders[empty[0]]}"
            + (f", and neither have {len(empty) - 1} others" if len(empty) > 1 else "")
            + f" (a file ending in {', '.join(sorted(endings))}); remove the folder, or select other classes "
            "with dataset.classes"
        )
    return found


def readable(name: str) -> str:
    """A file's name as composed Unicode (NFC); invalid bytes are replaced."""
    text = os.fsencode(name).decode("utf-8", errors="replace")
    return unicodedata.normalize("NFC", text)


def _files(folder: Path, endings: Collection[str]) -> Iterator[Path]:
    visited: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        facts = Path(parent).stat()
        if (facts.st_dev, facts.st_ino) in visited:
            folders.clear()
            continue
        visited.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and name.lower().endswith(tuple(endings)):
                yield Path(parent, name)
