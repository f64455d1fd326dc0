"""Images of synsets, as PIL images."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import nn
from torchvision.utils import make_grid

from idc.data.torch_dataset import as_picture
from idc.files.atomic import write_atomically
from idc.shapes import Images
from idc.synset.codes import of_class
from idc.synset.pixels import as_pictures, shown, unit, white
from idc.synset.synset import Synset

ENLARGED_SIZE = 64
"""Smaller images are enlarged up to this many pixels."""
FONT_SIZE = 12
"""Of class names, in pixels."""
MAX_NAME_CHARS = 24
"""Longer class names are cut."""


def grid(synset: Synset, per_class: int = 20) -> Image.Image:
    """The synset's decoded images, one row per class, in the order of the labels and beginning with its name.

    Args:
        synset: its value range is mapped to black … white.
        per_class: maximum number of images per class.

    Returns:
        A picture, greyscale unless there are three channels. Small images are enlarged by a whole factor
        without smoothing. Spectrograms have low frequencies at the bottom.
    """
    pixels = shown(synset.images, synset.spec, white(synset.images, synset.spec))
    rows = [pixels[synset.class_numbers == label][:per_class] for label in range(len(synset.spec.classes))]
    columns = max(len(row) for row in rows)
    full = [torch.cat([row, row.new_ones(columns - len(row), *row.shape[1:])]) for row in rows]
    factor = max(1, ENLARGED_SIZE // max(synset.spec.height, synset.spec.width))
    images = nn.functional.interpolate(torch.cat(full), scale_factor=factor, mode="nearest")
    tiled = make_grid(images, nrow=columns, padding=2, pad_value=1.0)
    picture = Image.fromarray((tiled * 255).round().byte().permute(1, 2, 0).numpy())
    return _with_names(picture, synset.spec.classes)


def decoded(synset: Synset, label: int, at_most: int | None = None) -> list[Image.Image]:
    """The decoded training images of a class.

    Args:
        synset: its value range is mapped to black … white.
        label: of the class.
        at_most: maximum number of images; all by default.

    Returns:
        Pictures as in `grid`, but not enlarged.
    """
    return _pictures(synset.images[synset.class_numbers == label][:at_most], synset)


def stored(synset: Synset, label: int, at_most: int | None = None) -> list[Image.Image]:
    """The stored images of a class, in the order of the decoder's tensors; other tensors are omitted.

    Args:
        synset: its value range is mapped to black … white.
        label: of the class.
        at_most: maximum number of images; all by default.
    """
    found: list[Image.Image] = []
    for code in of_class(synset.decoder, synset.codes, label).values():
        if code.ndim == 4 and code.shape[1] == synset.spec.channels:
            found += _pictures(code[:at_most], synset)
    return found[:at_most]


def picture(synset: Synset, position: int) -> Image.Image:
    """One decoded image, greyscale or RGB; its value range is mapped to black … white."""
    high = white(synset.images, synset.spec)
    return as_picture(unit(synset.images[position : position + 1], synset.spec, high)[0])


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG, atomically."""
    write_atomically(path, lambda file: picture.save(file, format="PNG"))


def _with_names(picture: Image.Image, classes: tuple[str, ...]) -> Image.Image:
    font = ImageFont.load_default(FONT_SIZE)
    names = [name if len(name) <= MAX_NAME_CHARS else f"{name[: MAX_NAME_CHARS - 1]}…" for name in classes]
    margin = 2 + max(round(font.getlength(name)) for name in names) + FONT_SIZE // 2
    named = Image.new("RGB", (picture.width + margin, picture.height), "white")
    named.paste(picture, (margin, 0))
    row = picture.height / len(names)
    for number, name in enumerate(names):
        ImageDraw.Draw(named).text((2, (number + 0.5) * row), name, "black", font, anchor="lm")
    return named


def _pictures(images: Images, synset: Synset) -> list[Image.Image]:
    return as_pictures(images, synset.spec, white(synset.images, synset.spec))
