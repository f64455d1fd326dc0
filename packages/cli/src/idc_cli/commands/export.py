"""``idc export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from idc_cli.app import SynsetFile


def export(
    file: SynsetFile,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .pt or .npz file, or a folder.")],
    to: Annotated[
        Literal["hugging-face"] | None,
        typer.Option(help="Make the folder a dataset with a card for a hub; by default it is of PNGs."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file OUT.")] = False,
) -> None:
    """Export a synset's decoded images."""
    from idc.errors import InputError
    from idc.synset.interop import export as write
    from idc.synset.synset import Synset
    from idc_cli.report.card import write_hub_folder

    if to == "hugging-face":
        if overwrite or out.suffix:
            what = "--overwrite" if overwrite else f"the ending of {out}"
            raise InputError(f"--to hugging-face: {what} is not allowed; give a new folder without ending")
        print(f"wrote {write_hub_folder(file, out)} to {out}")
        return
    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists already; choose another place, or replace it with --overwrite")
    print(f"wrote {write(Synset.load(file), out)} to {out}")
