"""``idc export``."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli.app import SynsetFile


def export(
    file: SynsetFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .pt or .npz file, or a folder for PNGs.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Export a synset's decoded images."""
    from idc.errors import InputError
    from idc.synset.interop import export as write
    from idc.synset.synset import Synset

    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists already; choose another place, or replace it with --overwrite")
    print(f"wrote {write(Synset.load(file), out)} to {out}")
