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
"""What DC's files hold beside tensors: accuracies, as numbers of NumPy."""


class _Ignored:
    """Stands for what a file holds beside tensors; nothing of it is computed."""

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, _: object) -> None:
        pass


def read_public(path: Path) -> tuple[Tensor, Tensor]:
    """Images and labels of a public code's result; nothing in the file is executed.

    Args:
        path: a ``.pt`` file: ``[images, labels]`` (IDC), or a dictionary whose ``data`` is a list of such
            pairs (DC, DSA, DM), of which the last is taken.

    Returns:
        Images (n, channels, height, width) as float32 and labels (n,), as the file has them.

    Raises:
        InputError: it is neither, or holds more than tensors and numbers.
    """
    known: list[Any] = [(_Ignored, f"numpy.{name}") for name in NUMPY]
    try:
        with torch.serialization.safe_globals(known):
            found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give a .pt file") from None
    # The unpickler fails in many ways on what is no file of torch's.
    except Exception as error:
        raise InputError(
            f"{path}: not a file of tensors and numbers ({first_line(error)[:200]}); others are not read, "
            "because they could execute anything"
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
            "(n, channels, height, width) floats and labels (n,) whole numbers"
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
    """A public code's result as a synset.

    Args:
        path: as `read_public` takes it.
        pipeline: whose evaluators, model and dataset score it; its other tables are history.
        low: lowest value of an image before normalisation.
        high: highest; None where there is none.
        mean: that the images were or are to be normalised by, one for each channel.
        std: likewise.
        normalised: whether the file's images are normalised.
        classes: names in the order of the labels; by default their numbers.

    Returns:
        The images class after class, decoded by ``raw``.

    Raises:
        InputError: the file or a number does not fit, or classes have different numbers of images.
    """
    images, labels = read_public(path)
    if not bool(images.isfinite().all()) or labels.max() >= len(labels):
        raise InputError(
            f"{path}: pixels must be finite, and labels below the number of images, which {len(labels)} is; "
            f"the highest is {labels.max()}"
        )
    names = classes or tuple(map(str, range(int(labels.max()) + 1)))
    counts = torch.bincount(labels.clamp(min=0), minlength=len(names))
    if labels.min() < 0 or len(counts) > len(names) or len(counts.unique()) > 1:
        raise InputError(
            f"{path}: its {len(names)} classes have {counts.min()} to {counts.max()} images, labels are "
            f"{labels.min()} to {labels.max()}; every class needs as many"
        )
    if not len(mean) == len(std) == images.shape[1]:
        raise InputError(
            f"--mean, --std: {len(mean)} and {len(std)} numbers, but the images have {images.shape[1]} "
            "channels; give one for each, separated by commas"
        )
    top = math.inf if high is None else high
    if normalised and images.min() >= low and images.max() <= top:
        raise InputError(
            f"{path}: values from {images.min():.3g} to {images.max():.3g} are within {low:g} to {top:g} as "
            "they are, so they are not normalised; leave out --normalised"
        )
    if normalised:
        images = images * torch.tensor(std)[:, None, None] + torch.tensor(mean)[:, None, None]
    lowest, highest = (float(end) for end in images.aminmax())
    if lowest < low - 0.5 * (min(top, 1e3) - low) or highest > top + 0.5 * (top - low):
        raise InputError(
            f"{path}: values from {lowest:.3g} to {highest:.3g} do not fit the range {low:g} to {top:g}; "
            "say --normalised if they are normalised, or another --low and --high"
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
    """Write decoded images for other codes.

    Args:
        synset: whose images, in the value range and not normalised.
        out: ``.pt`` for ``[images, labels]`` as torch saves them, ``.npz`` for arrays with class names, mean
            and standard deviation, and anything else for a folder of PNGs, a folder in it for each class.

    Returns:
        What was written.

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
            raise InputError(f"{out}: must end in .pt or .npz, or in nothing for a folder of PNGs")
        else:
            _pictures(synset, out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another place") from None
    return f"{len(synset)} images in {len(spec.classes)} classes"


def _savez(file: Path, arrays: Mapping[str, Any]) -> None:
    # A path without the ending would get one.
    with file.open("wb") as opened:
        np.savez(opened, **arrays)


def _pictures(synset: Synset, folder: Path) -> None:
    from idc.synset import pictures

    if synset.spec.channels not in (1, 3) or synset.spec.high is None:
        raise InputError(
            f"{folder}: images of {synset.spec.channels} channels with values from {synset.spec.low:g} to "
            f"{synset.spec.high} cannot be PNGs; give a .npz or .pt file"
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is a folder with files in it; remove it, or choose another")
    names = synset.spec.folder_names()
    for position, label in enumerate(synset.class_numbers.tolist()):
        pictures.save(pictures.picture(synset, position), folder / names[label] / f"{position:06d}.png")
