"""``idc cache``."""

from typing import TYPE_CHECKING, Annotated

import typer

from idc_cli.app import Json

if TYPE_CHECKING:
    from idc.data.cache import Entry
    from idc.training.pool_files import StoredPool

Row = tuple[str, str, str, str]


def cache(
    empty: Annotated[bool, typer.Option("--empty", help="Delete them all.")] = False, json: Json = False
) -> None:
    """List the prepared datasets and pools of networks in the cache.

    The environment variable IDC_CACHE names another folder.
    """
    from json import dumps

    from idc.data import cache as kept
    from idc.errors import InputError
    from idc.training import pool_files
    from idc_cli.terminal.tables import show_table
    from idc_cli.terminal.text import size

    if empty:
        try:
            print(f"removed {size(kept.empty() + pool_files.empty())} from {kept.folder()}")
        except OSError as error:
            raise InputError(
                f"cache: {error.filename} cannot be removed ({error.strerror}); remove it by hand"
            ) from None
        return
    datasets, pools = kept.entries(), pool_files.stored()
    if json:
        print(dumps([*map(_dataset, datasets), *map(_pool, pools)], indent=2))
        return
    if datasets or pools:
        rows = [*map(_dataset_row, datasets), *map(_pool_row, pools)]
        show_table(["size>", "kind", "source", "file"], rows)
    print(f"{size(sum(each.size for each in (*datasets, *pools)))} in {kept.folder()}")


def _dataset(entry: "Entry") -> dict[str, object]:
    described = entry.header.model_dump(mode="json") if entry.header else {}
    return {"path": str(entry.path), "bytes": entry.size, "kind": "dataset", **described}


def _pool(pool: "StoredPool") -> dict[str, object]:
    described = pool.header.model_dump(mode="json", include={"source", "recipe"}) if pool.header else {}
    facts = {"path": str(pool.path), "bytes": pool.size, "kind": "pool", "networks": pool.networks}
    return {**facts, **described}


def _dataset_row(entry: "Entry") -> Row:
    from idc_cli.terminal.text import size

    header = entry.header
    kind, source = ("unfinished or damaged", "") if header is None else (header.type, header.source)
    return size(entry.size), kind, source, entry.path.name


def _pool_row(pool: "StoredPool") -> Row:
    from idc_cli.terminal.text import size

    if pool.header is None:
        return size(pool.size), "unfinished or damaged", "", f"pools/{pool.path.name}"
    return size(pool.size), "pool", f"{pool.networks} of {pool.header.source}", f"pools/{pool.path.name}"
