"""Import published results; export decoded images."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from idc.config.pipeline import Pipeline
from idc.errors import InputError, explain, first_line
from idc.files.atomic import write_atomically
from idc.kinds import Decoder
from idc.spec import ImageSpec
from idc.synset.synset import Synset

NUMPY = (
    "dtype",
    "core.multiarray.scalar",
    "_core.multiarray.scalar",
    "dtypes.Float64DType",
    "dtypes.Float32DType",
)
"""NumPy names needed to unpickle the accuracies in DC's files."""


class _Ignored:
    """Placeholder for NumPy objects in a file, which are not created."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read_public(path: Path) -> tuple[Tensor, Tensor]:
    """Images and labels of a result of the public codes; code in the file is never executed.

    Args:
        path: a ``.pt`` file with ``[images, labels]`` (IDC), or with a dictionary whose ``data`` is a list of
            such pairs (DC, DSA, DM); the last pair is used.

    Returns:
        Images (n, channels, height, width) as float32, with the file's normalisation, and labels (n,).

    Raises:
        InputError: it has another content, or more than tensors and numbers.
    """
    known: list[Any] = [(_Ignored, f"numpy.{name}") for name in NUMPY]
    try:
        with torch.serialization.safe_globals(known):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a .pt file") from None
    # The unpickler raises many kinds of exceptions for other files.
    except Exception as error:
        raise InputError(
            f"{path}: not a torch file of only tensors and numbers ({first_line(error)[:200]}); others are "
            "not loaded, because they could execute code"
        ) from None
    if isinstance(found, Mapping) and isinstance(found.get("data"), Sequence) and found["data"]:
        found = found["data"][-1]
    pair = found if isinstance(found, list | tuple) else ()
    images, labels = (*pair[:2], None, None)[:2]
    if not (
        isinstance(images, Tensor)
        and isinstance(labels, Tensor)
        and images.ndim == 4
        and images.is_floating_point()
        and labels.shape == images.shape[:1]
        and not labels.is_floating_point()
        and len(images)
    ):
        raise InputError(
            f"{path}: neither [images, labels] nor a dictionary with such pairs in 'data'; images must be "
            "floats (n, channels, height, width) and labels whole numbers (n,)"
        )
    return images.detach().float(), labels.long()


def imported(
    path: Path,
    pipeline: Pipeline,
    *,
    low: float,
    high: float | None,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    normalised: bool,
    classes: tuple[str, ...] | None = None,
) -> Synset:
    """A result of the public codes, as a synset.

    Args:
        path: a file for `read_public`.
        pipeline: its evaluators, model and dataset are used for scores; its other tables are only recorded.
        low: lowest value of a pixel before normalisation.
        high: highest value of a pixel; None if unbounded.
        mean: of each channel, for normalisation.
        std: standard deviation of each channel, for normalisation.
        normalised: whether the file's images are normalised.
        classes: names in the order of the labels; by default the class numbers.

    Returns:
        A synset of the images, sorted by class, with the decoder ``raw``.

    Raises:
        InputError: the file or an argument does not fit, or classes have different numbers of images.
    """
    images, labels = read_public(path)
    if not bool(images.isfinite().all()) or labels.max() >= len(labels):
        raise InputError(
            f"{path}: pixels must be finite, and labels less than the number of images, {len(labels)}; the "
            f"highest label is {labels.max()}"
        )
    names = classes or tuple(map(str, range(int(labels.max()) + 1)))
    counts = torch.bincount(labels.clamp(min=0), minlength=len(names))
    if labels.min() < 0 or len(counts) > len(names) or len(counts.unique()) > 1:
        raise InputError(
            f"{path}: its {len(names)} classes have {counts.min()} to {counts.max()} images, with labels "
            f"from {labels.min()} to {labels.max()}; every class must have the same number of images, with "
            f"labels from 0 to {len(names) - 1}"
        )
    if not len(mean) == len(std) == images.shape[1]:
        raise InputError(
            f"--mean, --std: {len(mean)} and {len(std)} numbers, but the images have {images.shape[1]} "
            "channels; give one per channel, separated by commas"
        )
    top = math.inf if high is None else high
    if normalised and images.min() >= low and images.max() <= top:
        raise InputError(
            f"{path}: values from {images.min():.3g} to {images.max():.3g} are within {low:g} to {top:g}, so "
            "they are not normalised; omit --normalised"
        )
    if normalised:
        images = images * torch.tensor(std)[:, None, None] + torch.tensor(mean)[:, None, None]
    lowest, highest = (float(end) for end in images.aminmax())
    if lowest < low - 0.5 * (min(top, 1e3) - low) or highest > top + 0.5 * (top - low):
        raise InputError(
            f"{path}: values from {lowest:.3g} to {highest:.3g} do not fit the range {low:g} to {top:g}; "
            "add --normalised if they are normalised, or set another --low and --high"
        )
    per_class = int(counts[0])
    stored = torch.stack([images[labels == label] for label in range(len(names))])
    _, channels, height, width = images.shape
    try:
        spec = ImageSpec(
            channels=channels,
            height=height,
            width=width,
            classes=names,
            low=low,
            high=high,
            mean=mean,
            std=std,
        )
    except ValidationError as error:
        raise InputError(f"{path}: {explain(error)}") from None
    plan = pipeline.model_copy(
        update={
            "decoder": Decoder.model_validate({"type": "raw"}),
            "images_per_class": per_class,
            "iterations": 0,
            "baseline": (),
        }
    )
    return Synset.of(plan, {"images": stored.clamp(low, high)}, spec, iterations=0, fingerprint="unknown")


def export(synset: Synset, out: Path) -> str:
    """Write decoded images, in the value range and not normalised, for other programs.

    Args:
        synset: the images and labels.
        out: ``.pt`` for ``[images, labels]`` saved by torch, ``.npz`` for arrays with class names, mean and
            standard deviation, or a folder for PNGs in one folder per class.

    Returns:
        A phrase: how many images and classes were written.

    Raises:
        InputError: it cannot be written, or images cannot be PNGs.
    """
    spec = synset.spec
    try:
        if out.suffix == ".pt":
            content = io.BytesIO()
            torch.save([synset.images, synset.labels], content)
            write_atomically(out, lambda file: file.write_bytes(content.getvalue()))
        elif out.suffix == ".npz":
            facts = {
                "classes": np.array(spec.classes),
                "mean": np.array(spec.mean),
                "std": np.array(spec.std),
            }
            arrays = {"images": synset.images.numpy(), "labels": synset.labels.numpy(), **facts}
            write_atomically(out, lambda file: _savez(file, arrays))
        elif out.suffix:
            raise InputError(f"{out}: must end in .pt or .npz, or have no ending for a folder of PNGs")
        else:
            _pictures(synset, out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another path") from None
    return f"{len(synset)} images in {len(spec.classes)} classes"


def _savez(file: Path, arrays: Mapping[str, Any]) -> None:
    # np.savez appends .npz to a path without it.
    with file.open("wb") as opened:
        np.savez(opened, **arrays)


def _pictures(synset: Synset, folder: Path) -> None:
    from idc.synset import pictures

    if not synset.spec.fits_pictures:
        raise InputError(
            f"{folder}: images of {synset.spec.channels} channels with values from {synset.spec.low:g} to "
            f"{synset.spec.high} cannot be PNGs; give a .npz or .pt file"
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: the folder is not empty; remove it, or choose another")
    names = synset.spec.folder_names()
    for position, label in enumerate(synset.class_numbers.tolist()):
        pictures.save(pictures.picture(synset, position), folder / names[label] / f"{position:06d}.png")
