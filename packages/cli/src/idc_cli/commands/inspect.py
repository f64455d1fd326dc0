"""``idc inspect``: the header alone; torch and plugins are only imported for pictures and sounds."""

import json as jsonlib
import sys
from pathlib import Path

from idc.errors import InputError
from idc.synset import header as artifact
from idc_cli.facts import contents, provenance
from idc_cli.terminal import show_table

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


def inspect(file: Path, image: Path | None, audio: Path | None, *, json: bool) -> None:
    """Print a synset's header and tensors; write a picture and sounds if asked."""
    found = artifact.read(file)
    if image is not None:
        _draw(file, image)
    if audio is not None:
        _sound(file, audio)
    if json:
        tensors = {
            name: {"shape": tensor.shape, "dtype": tensor.dtype} for name, tensor in found.tensors.items()
        }
        print(jsonlib.dumps({**found.header.model_dump(mode="json"), "tensors": tensors}, indent=2))
    else:
        plan = found.header.pipeline
        stages = [(kind, _stage(plan.get(kind))) for kind in STAGES if kind in plan]
        show_table(("", ""), [*contents(found), *stages, *provenance(found)])


def _draw(file: Path, image: Path) -> None:
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


def _sound(file: Path, folder: Path) -> None:
    from idc.synset.synset import Synset

    synset = Synset.load(file)
    sounds = synset.pipeline.dataset.sounds(synset.images)
    if sounds is None:
        raise InputError(f"--audio: the images of {file} are no spectrograms; use --image OUT.png")
    try:
        names = synset.spec.folder_names()
        for position, label in enumerate(synset.labels.tolist()):
            sounds.save(position, folder / names[label] / f"{position:04d}.wav")
    except OSError as error:
        raise InputError(
            f"--audio: cannot write {folder} ({error.strerror}); choose another folder"
        ) from None
    print(f"wrote {len(synset)} wavs to {folder}", file=sys.stderr)


def _stage(stage: object) -> str:
    if isinstance(stage, list):
        return "; ".join(map(_stage, stage)) or "none"
    if isinstance(stage, dict):
        fields = ", ".join(f"{key} {_stage(value)}" for key, value in stage.items() if key != "type")
        name = stage.get("type", "")
        return f"{name} ({fields})".lstrip() if fields else str(name)
    return str(stage)
