"""``idc cache``."""

from typing import TYPE_CHECKING, Annotated

import typer

from idc_cli.app import Json

if TYPE_CHECKING:
    from idc.data.cache import EntryHeader


def cache(
    empty: Annotated[bool, typer.Option("--empty", help="Delete them all.")] = False, json: Json = False
) -> None:
    """List the prepared datasets in the cache folder.

    The environment variable IDC_CACHE names another folder.
    """
    from json import dumps

    from idc.data import cache as kept
    from idc.errors import InputError
    from idc_cli.terminal.tables import show_table
    from idc_cli.terminal.text import size

    if empty:
        try:
            print(f"removed {size(kept.empty())} from {kept.folder()}")
        except OSError as error:
            raise InputError(
                f"cache: {error.filename} cannot be removed ({error.strerror}); remove it by hand"
            ) from None
        return
    found = kept.entries()
    if json:
        listed = [
            {
                "path": str(each.path),
                "bytes": each.size,
                **(each.header.model_dump(mode="json") if each.header else {}),
            }
            for each in found
        ]
        print(dumps(listed, indent=2))
        return
    if found:
        rows = [(size(each.size), *_described(each.header), each.path.name) for each in found]
        show_table(["size>", "dataset", "source", "file"], rows)
    print(f"{size(sum(each.size for each in found))} in {kept.folder()}")


def _described(header: "EntryHeader | None") -> tuple[str, str]:
    return ("unfinished or damaged", "") if header is None else (header.type, header.source)
