"""The synthetic images, embedded in a page."""

import base64
import io
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from idc.synset import pictures
from idc.synset.codes import of_class
from idc.synset.synset import Synset

PAGE_IMAGES, CLASS_IMAGES = 600, 20
"""Maximum number of stored images on a page and of a class, and of decoded ones: the more classes there are,
the fewer images each shows."""

SMALL, LARGEST = 64, 160
"""Pixels: images up to the first are embedded exactly, images above the second are scaled down to it."""

SMALL_ON_SCREEN, LARGE_ON_SCREEN = 52, 88
"""Pixels on the screen: at least the first for a small image, which is scaled by a whole number."""

SHORT_NAME = 8
"""Letters of a class's name that fit beside its images."""


class Picture(NamedTuple):
    """An embedded image."""

    source: str
    """Its bytes as a ``data:`` URL."""
    width: int
    """On the screen, in pixels."""
    height: int


class ClassImages(NamedTuple):
    """The images of a class."""

    name: str
    stored: list[Picture]
    """Stored tensors that are images."""
    codes: str
    """Names and shapes of the stored tensors."""
    decoded: list[Picture]


def gallery(synset: Synset) -> Iterator[ClassImages]:
    """Stored and decoded images of each class, at most `CLASS_IMAGES` of each."""
    most = _images_per_class(synset)
    for label, name in enumerate(synset.spec.classes):
        codes = of_class(synset.decoder, synset.codes, label)
        yield ClassImages(
            name,
            [_picture(image) for image in pictures.stored(synset, label, most)],
            ", ".join(f"{each} {'x'.join(map(str, code.shape))}" for each, code in codes.items()),
            [_picture(image) for image in pictures.decoded(synset, label, most)],
        )


def wide(synset: Synset) -> bool:
    """Whether a class needs a whole line: its images are large or many, or its name is long."""
    classes = synset.spec.classes
    large = max(synset.spec.height, synset.spec.width) > SMALL
    return large or len(synset) > 4 * len(classes) or max(map(len, classes)) > SHORT_NAME


def shown(synset: Synset) -> str:
    """The gallery's caption: what is shown of the synset."""
    most = _images_per_class(synset)
    height, width = synset.spec.height, synset.spec.width
    count = len(synset) // len(synset.spec.classes)
    parts = [f"First what is stored, then what networks are trained on: {count} images per class"]
    parts += [f"the first {most} are shown"] if count > most else []
    parts += [f"scaled down from {width}x{height} pixels"] if max(height, width) > LARGEST else []
    return ", ".join(parts) + "."


def _images_per_class(synset: Synset) -> int:
    """Stored images, and decoded ones, that are shown of a class."""
    return max(1, min(CLASS_IMAGES, PAGE_IMAGES // len(synset.spec.classes)))


def _picture(image: Image.Image) -> Picture:
    exact = max(image.size) <= SMALL
    if max(image.size) > LARGEST:
        image = image.copy()
        image.thumbnail((LARGEST, LARGEST))
    written = io.BytesIO()
    if exact:
        image.save(written, format="PNG", optimize=True)
    else:
        image.save(written, format="WEBP", quality=85)
    address = (
        f"data:image/{'png' if exact else 'webp'};base64,{base64.b64encode(written.getvalue()).decode()}"
    )
    scale = max(1, -(-SMALL_ON_SCREEN // max(image.size))) if exact else LARGE_ON_SCREEN / max(image.size)
    return Picture(address, round(scale * image.width), round(scale * image.height))
