"""``idc import``."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli import completion


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .pt file with [images, labels] (IDC) or DC's dictionary, or a folder of idc export --to "
            "hugging-face.",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The synset to write.")],
    pipeline: Annotated[
        Path | None,
        typer.Option(
            metavar="PIPELINE",
            help="Whose evaluators, model and dataset score the synset; for a .pt file.",
            autocompletion=completion.pipelines,
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="X,...", help="Mean of the normalisation, one for each channel; for a .pt file."
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="X,...", help="Standard deviations, one for each channel; for a .pt file."),
    ] = None,
    low: Annotated[
        float | None, typer.Option(help="Lowest value before normalisation; for a .pt file.")
    ] = None,
    high: Annotated[
        float | None, typer.Option(help="Highest value before normalisation; leave out if unbounded.")
    ] = None,
    normalised: Annotated[
        bool, typer.Option("--normalised", help="The file's images are normalised.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="Class names in the order of the labels.")
    ] = None,
    method: Annotated[str, typer.Option(help="The method's name in reports.")] = "imported",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Import published results as a synset.

    Nothing in the file is executed. A .pt file does not say how its images were normalised or what they are
    to be scored on; a folder of idc export does.
    """
    from idc.config.pipeline import Pipeline
    from idc.errors import InputError
    from idc.synset.interop import imported
    from idc.synset.synset import Synset

    if out.exists() and not overwrite:
        raise InputError(f"{out}: exists already; choose another file, or replace it with --overwrite")
    given = {"--pipeline": pipeline, "--mean": mean, "--std": std, "--low": low}
    if file.is_dir():
        known = {**given, "--high": high, "--classes": classes, "--normalised": normalised or None}
        if unused := ", ".join(flag for flag, value in known.items() if value is not None):
            raise InputError(f"{unused}: the folder {file} says it itself; leave it out")
        synset = Synset.load(file)
    elif not file.exists():
        raise InputError(f"{file}: no such file; give a .pt file, or a folder of idc export")
    else:
        missing = ", ".join(flag for flag, value in given.items() if value is None)
        if pipeline is None or mean is None or std is None or low is None:
            raise InputError(f"{file}: a .pt file does not say everything; give {missing} too")
        synset = imported(
            file,
            Pipeline.load(pipeline, {"method": method, "baseline": []}),
            low=low,
            high=high,
            mean=_numbers("--mean", mean),
            std=_numbers("--std", std),
            normalised=normalised,
            classes=tuple(classes.split(",")) if classes else None,
        )
    try:
        synset.save(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another file") from None
    print(f"wrote {len(synset)} images in {len(synset.spec.classes)} classes to {out}")


def _numbers(flag: str, text: str) -> tuple[float, ...]:
    from idc.errors import InputError

    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise InputError(f"{flag}: {text!r} is not allowed; it must be numbers separated by commas") from None
