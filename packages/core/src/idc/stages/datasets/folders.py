"""Files sorted into a folder for each class."""

import os
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from idc.kinds import InputError


def files_by_class(
    folder: Path, endings: Collection[str], wanted: Sequence[str] | None, what: str
) -> dict[str, list[Path]]:
    """Files in ``<folder>/<class>/…``, however deep.

    Names that begin with a dot are passed over; links are followed, but into no folder twice.

    Args:
        folder: of a split.
        endings: of the names of the files, in lower case.
        wanted: classes; all by default.
        what: a file is to messages, such as ``image``.

    Returns:
        The files of each class in the order of their paths: those wanted in the order given, or all, sorted.

    Raises:
        InputError: there are no such folders, one that is wanted is not there, or one has no such files.
    """
    expected = f"expected are {folder}/<class>/<{what}>"
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[0] != ".")
    except OSError as error:
        raise InputError(f"dataset.path: {folder} cannot be read ({error.strerror}); {expected}") from None
    folders = {readable(name): folder / name for name in names}
    if len(folders) < len(names):
        raise InputError(f"dataset.path: names of folders in {folder} are the same text; rename one of them")
    if not folders:
        raise InputError(f"dataset.path: there is no folder of a class in {folder}; {expected}")
    for name in wanted or ():
        if name not in folders:
            there = ", ".join(list(folders)[:10]) + (", …" if len(folders) > 10 else "")
            raise InputError(f"dataset.classes: there is no class {name!r} in {folder}; there are {there}")
    found = {name: sorted(_files(folders[name], endings)) for name in wanted or folders}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise InputError(
            f"dataset.path: class {empty[0]!r} has no {what} in {folders[empty[0]]}"
            + (f", nor have {len(empty) - 1} others theirs" if len(empty) > 1 else "")
            + f" (files ending in {', '.join(sorted(endings))}); remove the folder, or name the classes "
            "wanted in dataset.classes"
        )
    return found


def readable(name: str) -> str:
    """A file's name as text: composed, as most systems write it, and without bytes that are no characters."""
    text = os.fsencode(name).decode("utf-8", errors="replace")
    return unicodedata.normalize("NFC", text)


def _files(folder: Path, endings: Collection[str]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        facts = Path(parent).stat()
        if (facts.st_dev, facts.st_ino) in seen:
            folders.clear()
            continue
        seen.add((facts.st_dev, facts.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith(".") and name.lower().endswith(tuple(endings)):
                yield Path(parent, name)
