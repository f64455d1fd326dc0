"""The subcommands that look at files, and bring them in and out."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli.app import File, Json, app


@app.command()
def inspect(
    file: File,
    json: Json = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Also write a picture of the images, a row a class."),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write spectrograms as wavs, a folder a class.")
    ] = None,
) -> None:
    """Print what a synset is and how it was made; no plugin is imported for it."""
    from idc_cli.inspect import inspect as show

    show(file, image, audio, json=json)


@app.command()
def verify(file: File) -> None:
    """Compare a synset's tensors with the hash in its header."""
    from idc_cli.exchange import verify as compare_hashes

    compare_hashes(file)


@app.command(name="import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.pt", help="[images, labels] (IDC), or DC's dictionary.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The synset to write.")],
    pipeline: Annotated[
        Path, typer.Option(metavar="PIPELINE", help="What scores it: its evaluators, model and dataset.")
    ],
    mean: Annotated[str, typer.Option(metavar="X,...", help="Of the normalisation, one for each channel.")],
    std: Annotated[str, typer.Option(metavar="X,...", help="Likewise.")],
    low: Annotated[float, typer.Option(help="Lowest value before normalisation.")],
    high: Annotated[
        float | None, typer.Option(help="Highest value before normalisation; none where there is none.")
    ] = None,
    normalised: Annotated[
        bool, typer.Option("--normalised", help="The file's images are normalised.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="In the order of the labels.")
    ] = None,
    method: Annotated[str, typer.Option(help="What reports call it.")] = "imported",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Make a synset of a public code's result; nothing in the file is executed."""
    from idc_cli.exchange import import_ as make

    make(
        file,
        out,
        pipeline,
        low=low,
        high=high,
        mean=mean,
        std=std,
        normalised=normalised,
        classes=classes,
        method=method,
        overwrite=overwrite,
    )


@app.command()
def export(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .pt or .npz file, or a folder for PNGs.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Write a synset's decoded images for other codes."""
    from idc_cli.exchange import export as write

    write(file, out, overwrite=overwrite)


@app.command()
def cache(
    empty: Annotated[bool, typer.Option("--empty", help="Remove them all.")] = False, json: Json = False
) -> None:
    """List the prepared datasets that the cache folder keeps; IDC_CACHE names another folder."""
    from idc_cli.cache import cache as show

    show(empty=empty, json=json)
