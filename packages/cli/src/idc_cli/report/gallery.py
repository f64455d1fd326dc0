"""The synthetic images as parts of a page: pictures within its text."""

import base64
import io
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from idc.synset import pictures
from idc.synset.codes import of_class
from idc.synset.synset import Synset

MOST = 600
"""Images of a kind on a page, by and large: a class shows fewer the more classes there are."""

MOST_OF_A_CLASS = 20

SMALL, LARGEST = 64, 160
"""Pixels: up to which images are kept exactly, and above which they are made smaller."""

SHOWN, SHOWN_LARGE = 52, 88
"""Pixels of a screen that a small image takes at least, in whole multiples of its own, and a large one."""


SHORT = 8
"""Letters of a class's name that stand beside its images without a line of their own."""


class Picture(NamedTuple):
    """An image of a page."""

    source: str
    """Its bytes, as an address."""
    width: int
    """On the screen, in pixels."""
    height: int


class OfClass(NamedTuple):
    """What a page shows of a class."""

    name: str
    stored: list[Picture]
    """What is stored, as far as it is images."""
    codes: str
    """What is stored, in words."""
    decoded: list[Picture]


def gallery(synset: Synset) -> Iterator[OfClass]:
    """Stored and decoded images of each class."""
    most = _most(synset)
    for label, name in enumerate(synset.spec.classes):
        codes = of_class(synset.decoder, synset.codes, label)
        yield OfClass(
            name,
            [_picture(image) for image in pictures.stored(synset, label, most)],
            ", ".join(f"{each} {'x'.join(map(str, code.shape))}" for each, code in codes.items()),
            [_picture(image) for image in pictures.decoded(synset, label, most)],
        )


def wide(synset: Synset) -> bool:
    """Whether a class takes a whole line: its images are large or many, or its name is long."""
    classes = synset.spec.classes
    large = max(synset.spec.height, synset.spec.width) > SMALL
    return large or len(synset) > 4 * len(classes) or max(map(len, classes)) > SHORT


def shown(synset: Synset) -> str:
    """What of the synset the gallery shows, for its caption."""
    most = _most(synset)
    height, width = synset.spec.height, synset.spec.width
    count = len(synset) // len(synset.spec.classes)
    parts = [f"First what is stored, then what networks are trained on: {count} images a class"]
    parts += [f"the first {most} are shown"] if count > most else []
    parts += [f"made smaller from {width}x{height} pixels"] if max(height, width) > LARGEST else []
    return ", ".join(parts) + "."


def _most(synset: Synset) -> int:
    """Images of a kind that are shown of a class."""
    return max(1, min(MOST_OF_A_CLASS, MOST // len(synset.spec.classes)))


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
    times = max(1, -(-SHOWN // max(image.size))) if exact else SHOWN_LARGE / max(image.size)
    return Picture(address, round(times * image.width), round(times * image.height))
