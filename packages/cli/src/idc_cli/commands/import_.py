"""``idc import``, ``idc export`` and ``idc verify``."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from idc.config.pipeline import Pipeline
from idc.errors import InputError, RunError
from idc.synset import header as artifact
from idc.synset import interop as exchange
from idc.synset.codes import digest
from idc.synset.synset import Synset


def import_(
    file: Path,
    out: Path,
    pipeline: Path,
    *,
    low: float,
    high: float | None,
    mean: str,
    std: str,
    normalised: bool,
    classes: str | None,
    method: str,
    overwrite: bool,
) -> None:
    """Make a synset of a public code's result."""
    if out.exists() and not overwrite:
        raise InputError(f"{out}: is there already; choose another file, or replace it with --overwrite")
    plan = Pipeline.load(pipeline, {"method": method, "baseline": []})
    synset = exchange.imported(
        file,
        plan,
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
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None
    print(f"wrote {len(synset)} images in {len(synset.spec.classes)} classes to {out}")


def export(file: Path, out: Path, *, overwrite: bool) -> None:
    """Write decoded images for other codes."""
    if out.exists() and not overwrite:
        raise InputError(f"{out}: is there already; choose another place, or replace it with --overwrite")
    print(f"wrote {exchange.export(Synset.load(file), out)} to {out}")


def verify(file: Path) -> None:
    """Hash the stored tensors again."""
    path = artifact.locate(file)
    found = artifact.read(path)
    if found.header.tensors is None:
        raise InputError(f"{path}: has no hash to compare with; it was written by an older idc")
    try:
        same = digest(load_file(path)) == found.header.tensors
    except (OSError, ValueError, RuntimeError, SafetensorError):
        same = False
    if not same:
        raise RunError(f"{path}: damaged; its tensors are not those that were written")
    print(f"{path}: {len(found.tensors)} tensors, {found.header.budget:,} numbers, as they were written")


def _numbers(flag: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise InputError(f"{flag}: {text!r} is not allowed; it must be numbers separated by commas") from None
