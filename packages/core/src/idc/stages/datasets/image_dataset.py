"""What every dataset of pictures can do with them: one size, one number of channels."""

from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import Field
from torchvision.transforms.v2 import functional

from idc.kinds import Dataset, Example

LONGEST = 16
"""Lengths of a picture for each of its breadths beyond which it is cut before it is scaled: scaled whole, a
picture one pixel wide would fill the memory."""


class ImageDataset(Dataset):
    """Base of the datasets of pictures."""

    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Pixels along each side: the shorter side is scaled to it (bilinear, antialiased) and the longer one
    cropped to the centre. By default images stay as they are and must all be of one size."""
    channels: Literal[1, 3] | None = None
    """1 for greyscale, 3 for colour: images of the other kind are converted. By default they stay as they are
    and must all have equally many."""

    def shaped(self, image: Example) -> Example:
        """The image with `channels`, scaled and cropped to `size`.

        Raises:
            ValueError: it has neither one channel nor three, and `channels` is given.
        """
        if self.channels is not None and len(image) != self.channels:
            image = _converted(image, self.channels)
        if self.size is None or image.shape[1:] == (self.size, self.size):
            return image
        longest = LONGEST * min(image.shape[1:])
        if max(image.shape[1:]) > longest:
            image = functional.center_crop(image, [min(longest, side) for side in image.shape[1:]])
        return functional.center_crop(functional.resize(image, [self.size], antialias=True), [self.size])


def from_picture(picture: Image.Image, channels: int | None) -> Example:
    """A picture's pixels as bytes, turned as its camera says; transparency is ignored.

    Args:
        picture: that is open, but need not be read.
        channels: 1, 3, or None for what the picture has.

    Raises:
        ValueError: it is too large to be one, or its value range is unknown.
    """
    # Beyond this Pillow warns of a file that is small but unpacks to fill the memory.
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and picture.width * picture.height > most:
        raise ValueError(f"{picture.width}x{picture.height} pixels are more than {most}")
    image = _eight_bit(ImageOps.exif_transpose(picture))
    grey = channels == 1 or (channels is None and image.mode in ("1", "L", "LA"))
    return functional.pil_to_tensor(image.convert("L" if grey else "RGB"))


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would cut off at 255 instead of scaling.
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode}: its value range is unknown; save it with 8 or 16 bits")
    # Through RGBA, because a palette can have transparency that a direct conversion warns of.
    return image.convert("RGBA") if image.mode == "P" else image


def _converted(image: Example, channels: int) -> Example:
    if len(image) not in (1, 3):
        raise ValueError(f"has {len(image)} channels, which cannot be converted to {channels}")
    return functional.rgb_to_grayscale(image) if channels == 1 else torch.cat([image] * 3)
