"""Resizing and channel conversion, common to all image datasets."""

from typing import Annotated, Literal

import numpy as np
import torch
from PIL import Image, ImageOps
from pydantic import Field

from idc.kinds import Dataset, Example

MAX_ASPECT_RATIO = 16
"""Longer images are cropped before resizing: resized whole, an image one pixel wide would fill the memory."""


class ImageDataset(Dataset):
    """Base class of image datasets."""

    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Height and width in pixels: the shorter side is resized (bilinear, antialiased), then the longer side
    centre-cropped. By default images are unchanged and must all have the same size."""
    channels: Literal[1, 3] | None = None
    """1 for greyscale, 3 for colour; images are converted. By default they are unchanged and must all have
    the same number of channels."""

    def shaped(self, image: Example) -> Example:
        """The image with `channels`, resized and cropped to `size`.

        Raises:
            ValueError: `channels` is set, and the image has neither 1 nor 3 channels.
        """
        if self.channels is not None and len(image) != self.channels:
            image = _converted(image, self.channels)
        if self.size is None or image.shape[1:] == (self.size, self.size):
            return image
        # Not at the top: it takes as long to import as torch, and prepared images are read from the cache.
        from torchvision.transforms.v2 import functional

        longest = MAX_ASPECT_RATIO * min(image.shape[1:])
        if max(image.shape[1:]) > longest:
            image = functional.center_crop(image, [min(longest, side) for side in image.shape[1:]])
        return functional.center_crop(functional.resize(image, [self.size], antialias=True), [self.size])


def from_picture(picture: Image.Image, channels: int | None) -> Example:
    """A picture's uint8 pixels, oriented by its EXIF tag; transparency is ignored.

    Args:
        picture: an open PIL image, which need not be loaded.
        channels: 1, 3, or None for the picture's own.

    Raises:
        ValueError: it has too many pixels, or its value range is unknown.
    """
    # Pillow's limit against decompression bombs, of which it only warns.
    max_pixels = Image.MAX_IMAGE_PIXELS
    if max_pixels is not None and picture.width * picture.height > max_pixels:
        raise ValueError(f"{picture.width}x{picture.height} pixels are more than {max_pixels}")
    image = _eight_bit(ImageOps.exif_transpose(picture))
    grey = channels == 1 or (channels is None and image.mode in ("1", "L", "LA"))
    pixels = np.array(image.convert("L" if grey else "RGB"))
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would clip at 255 instead of scaling.
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode}: its value range is unknown; save it with 8 or 16 bits")
    # Through RGBA, because converting a palette with transparency directly warns.
    return image.convert("RGBA") if image.mode == "P" else image


def _converted(image: Example, channels: int) -> Example:
    if len(image) not in (1, 3):
        raise ValueError(f"has {len(image)} channels, which cannot be converted to {channels}")
    if channels == 3:
        return torch.cat([image] * 3)
    from torchvision.transforms.v2 import functional

    return functional.rgb_to_grayscale(image)
