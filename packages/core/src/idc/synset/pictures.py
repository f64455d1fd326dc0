"""Images of synsets for people to look at."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn
from torchvision.utils import make_grid

from idc.data.torch_dataset import as_picture
from idc.files.atomic import write_atomically
from idc.shapes import Images
from idc.synset.codes import of_class
from idc.synset.synset import Synset

LEGIBLE = 64
"""Smaller images are enlarged up to this many pixels."""
LETTERS = 12
"""Height of class names, in pixels."""
LONGEST = 24
"""Characters of a class name that are shown."""


def grid(synset: Synset, per_class: int = 20) -> Image.Image:
    """The synset's decoded images, one row for each class in the order of the labels, after its name.

    Args:
        synset: its value range is mapped to black … white.
        per_class: images shown of a class, at most.

    Returns:
        A picture, grey unless there are three channels; small images are enlarged by a whole factor
        without smoothing. Spectrograms have low frequencies at the bottom.
    """
    unit = _shown(synset.images, synset)
    rows = [unit[synset.class_numbers == label][:per_class] for label in range(len(synset.spec.classes))]
    columns = max(len(row) for row in rows)
    full = [torch.cat([row, row.new_ones(columns - len(row), *row.shape[1:])]) for row in rows]
    factor = max(1, LEGIBLE // max(synset.spec.height, synset.spec.width))
    images = nn.functional.interpolate(torch.cat(full), scale_factor=factor, mode="nearest")
    laid_out = make_grid(images, nrow=columns, padding=2, pad_value=1.0)
    picture = Image.fromarray((laid_out * 255).round().byte().permute(1, 2, 0).numpy())
    return _named(picture, synset.spec.classes)


def decoded(synset: Synset, label: int, at_most: int | None = None) -> list[Image.Image]:
    """The training images of a class as they are, each a picture.

    Args:
        synset: its value range is mapped to black … white.
        label: of the class.
        at_most: so many of them; all by default.

    Returns:
        Pictures as in `grid`, but not enlarged.
    """
    return _pictures(synset.images[synset.class_numbers == label][:at_most], synset)


def stored(synset: Synset, label: int, at_most: int | None = None) -> list[Image.Image]:
    """What is stored of a class, as far as it is images; in the order of the decoder's tensors.

    Args:
        synset: as in `decoded`.
        label: of the class.
        at_most: so many of them; all by default.
    """
    found: list[Image.Image] = []
    for code in of_class(synset.decoder, synset.codes, label).values():
        if code.ndim == 4 and code.shape[1] == synset.spec.channels:
            found += _pictures(code[:at_most], synset)
    return found[:at_most]


def picture(synset: Synset, position: int) -> Image.Image:
    """One decoded image, grey or in colour; its value range is mapped to black … white."""
    return as_picture(_unit(synset.images[position : position + 1], synset)[0])


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG; the file is whole or not there."""
    write_atomically(path, lambda file: picture.save(file, format="PNG"))


def _named(picture: Image.Image, classes: tuple[str, ...]) -> Image.Image:
    font = ImageFont.load_default(LETTERS)
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in classes]
    margin = 2 + max(round(font.getlength(name)) for name in names) + LETTERS // 2
    named = Image.new("RGB", (picture.width + margin, picture.height), "white")
    named.paste(picture, (margin, 0))
    row = picture.height / len(names)
    for number, name in enumerate(names):
        ImageDraw.Draw(named).text((2, (number + 0.5) * row), name, "black", font, anchor="lm")
    return named


def _pictures(images: Images, synset: Synset) -> list[Image.Image]:
    return [as_picture(each) for each in _shown(images, synset)]


def _shown(images: Images, synset: Synset) -> Images:
    """Grey or colour images from 0 to 1, spectrograms with low frequencies at the bottom."""
    unit = _unit(images, synset)
    if synset.spec.content == "spectrogram":
        unit = unit.flip(-2)
    return unit if synset.spec.channels in (1, 3) else unit.mean(1, keepdim=True)


def _unit(images: Images, synset: Synset) -> Images:
    low = synset.spec.low
    high = synset.images.amax().item() if synset.spec.high is None else synset.spec.high
    return ((images - low) / max(high - low, 1e-12)).clamp(0, 1)
