"""IDC's parameterization: each stored image is cut into tiles, and every tile is enlarged to a full image."""

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from idc.errors import InputError
from idc.kinds import Decoder
from idc.shapes import Batch, Codes, Images, Labels, StoredImages
from idc.spec import ImageSpec

PADDING = 0.5
"""Fills what the last tiles lack where the factor does not divide the size."""


@final
class MultiFormation(Decoder):
    """``factor²`` training images from every stored one (IDC, section 3, multi-formation framework)."""

    type: Literal["multiformation"] = "multiformation"
    factor: Annotated[int, Field(ge=1)] = 2
    """Tiles along each side."""

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        """``images_per_class · factor²``: one real image for each tile.

        Raises:
            InputError: the factor is larger than the image.
        """
        side = min(spec.height, spec.width)
        if self.factor > side:
            raise InputError(
                f"decoder.factor: {self.factor} is larger than the image ({spec.height}x{spec.width} "
                f"pixels); allowed are 1 to {side}"
            )
        return images_per_class * self.factor**2

    def encode(self, images: StoredImages, images_per_class: int) -> Codes:
        """Whole images as they are; ``factor²`` times as many shrunk to tiles by nearest neighbour.

        Tile k (row by row) of stored image q is real image ``k · images_per_class + q``, as in the public
        code, whose rule for tile sizes here differs from that of `decode` where ``size mod factor`` is
        neither 0 nor ``factor - 1``; both are kept, so seams can be a pixel off (golden README, section 2).
        """
        if images.shape[1] == images_per_class:
            return {"images": images}
        height, width = images.shape[-2:]
        packed = images.new_empty(images.shape[0], images_per_class, *images.shape[2:])
        tiles = images.unflatten(1, (self.factor**2, images_per_class)).unbind(1)
        grid = [
            (rows, columns) for rows in _parts(height, self.factor) for columns in _parts(width, self.factor)
        ]
        for tile, (rows, columns) in zip(tiles, grid, strict=True):
            size = (rows.stop - rows.start, columns.stop - columns.start)
            small = nn.functional.interpolate(tile.flatten(0, 1), size=size, mode="nearest")
            packed[..., rows, columns] = small.unflatten(0, tile.shape[:2])
        return {"images": packed}

    def decode(self, codes: Codes, labels: Labels) -> Batch:
        """Tiles enlarged bilinearly: first the top left tile of every stored image, and so on row by row."""
        return Batch(formations(codes["images"], self.factor), labels.repeat(self.factor**2))

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        """Pixels clamped to the value range."""
        return {"images": codes["images"].clamp(spec.low, spec.high)}


def formations(images: Images, factor: int) -> Float[Tensor, "formations channels height width"]:
    """Cut images into ``factor · factor`` tiles and enlarge each to full size.

    Args:
        images: (n, channels, height, width).
        factor: tiles along each side. Where it does not divide a side, the image is first padded on the
            right and at the bottom with 0.5.

    Returns:
        (n · factor², channels, height, width), tile by tile: all images' first tile, then all second ones.
    """
    if factor == 1:
        return images
    height, width = images.shape[-2:]
    tile_height, tile_width = -(-height // factor), -(-width // factor)
    padding = (0, tile_width * factor - width, 0, tile_height * factor - height)
    if any(padding):
        images = nn.functional.pad(images, padding, value=PADDING)
    tiles = [
        images[..., row : row + tile_height, column : column + tile_width]
        for row in range(0, tile_height * factor, tile_height)
        for column in range(0, tile_width * factor, tile_width)
    ]
    return nn.functional.interpolate(
        torch.cat(tiles), size=(height, width), mode="bilinear", align_corners=False
    )


def _parts(size: int, factor: int) -> list[slice]:
    short, longer = divmod(size, factor)
    parts: list[slice] = []
    start = 0
    for part in range(factor):
        stop = start + short + (part < longer)
        parts.append(slice(start, stop))
        start = stop
    return parts
