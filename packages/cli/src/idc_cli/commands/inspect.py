"""``idc inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli.app import Json, SynsetFile

STAGES = (
    "dataset",
    "model",
    "init",
    "decoder",
    "augment",
    "sampler",
    "objective",
    "networks",
    "optimizer",
    "baseline",
    "evaluate",
)


def inspect(
    file: SynsetFile,
    json: Json = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Also write a picture of the images, a row for each class."),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write spectrograms as WAV files, a folder for each class."),
    ] = None,
) -> None:
    """Print what a synset is and how it was made.

    No plugin is imported for it, unless a picture or audio is asked for.
    """
    from json import dumps

    from idc.synset.header import read
    from idc_cli.report.provenance import contents, provenance, stored_bytes
    from idc_cli.terminal.tables import show_table

    found = read(file)
    if image is not None:
        _write_picture(file, image)
    if audio is not None:
        _write_audio(file, audio)
    if json:
        tensors = {
            name: {"shape": tensor.shape, "dtype": tensor.dtype} for name, tensor in found.tensors.items()
        }
        header = found.header.model_dump(mode="json")
        print(dumps({**header, "bytes": stored_bytes(found), "tensors": tensors}, indent=2))
    else:
        plan = found.header.pipeline
        stages = [(kind, _stage(plan.get(kind))) for kind in STAGES if kind in plan]
        show_table(("", ""), [*contents(found), *stages, *provenance(found)])


def _write_picture(file: Path, image: Path) -> None:
    import sys

    from idc.errors import InputError
    from idc.synset import pictures
    from idc.synset.synset import Synset

    if image.suffix.lower() != ".png":
        raise InputError(f"--image: {image} must end in .png")
    picture = pictures.grid(Synset.load(file))
    try:
        pictures.save(picture, image)
    except OSError as error:
        raise InputError(f"--image: cannot write {image} ({error.strerror}); choose another file") from None
    print(f"wrote {image}", file=sys.stderr)


def _write_audio(file: Path, folder: Path) -> None:
    import sys

    from idc.errors import InputError
    from idc.synset.synset import Synset

    synset = Synset.load(file)
    sounds = synset.pipeline.dataset.sounds(synset.images)
    if sounds is None:
        raise InputError(f"--audio: the images of {file} are not spectrograms; use --image OUT.png")
    try:
        names = synset.spec.folder_names()
        for position, label in enumerate(synset.class_numbers.tolist()):
            sounds.save(position, folder / names[label] / f"{position:04d}.wav")
    except OSError as error:
        raise InputError(
            f"--audio: cannot write {folder} ({error.strerror}); choose another folder"
        ) from None
    print(f"wrote {len(synset)} wavs to {folder}", file=sys.stderr)


def _stage(stage: object) -> str:
    """A stage's type with its fields, such as ``convnet (depth 3, width 128)``."""
    if isinstance(stage, list):
        return "; ".join(map(_stage, stage)) or "none"
    if isinstance(stage, dict):
        fields = ", ".join(f"{key} {_stage(value)}" for key, value in stage.items() if key != "type")
        name = stage.get("type", "")
        return f"{name} ({fields})".lstrip() if fields else str(name)
    return str(stage)
