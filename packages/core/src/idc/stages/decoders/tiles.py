"""Cutting images into upsampled tiles, and packing downsampled images into tiles."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from idc.kinds import Images, StoredImages


def enlarged_tiles(
    images: Images, rows: int, columns: int, padding: float = 0.5
) -> Float[Tensor, "formations channels height width"]:
    """Cut images into ``rows · columns`` tiles and upsample each to full size.

    Args:
        images: (n, channels, height, width); padded at the right and bottom to whole tiles.
        rows: tiles along the height.
        columns: tiles along the width.
        padding: value of the padding.

    Returns:
        (n · rows · columns, channels, height, width): the first tiles of all images, then the second ones, …
    """
    if rows == columns == 1:
        return images
    height, width = images.shape[-2:]
    tile_height, tile_width = -(-height // rows), -(-width // columns)
    missing = (0, tile_width * columns - width, 0, tile_height * rows - height)
    if any(missing):
        images = nn.functional.pad(images, missing, value=padding)
    tiles = [
        images[..., row : row + tile_height, column : column + tile_width]
        for row in range(0, tile_height * rows, tile_height)
        for column in range(0, tile_width * columns, tile_width)
    ]
    return nn.functional.interpolate(
        torch.cat(tiles), size=(height, width), mode="bilinear", align_corners=False
    )


def pack(
    images: StoredImages, rows: int, columns: int
) -> Float[Tensor, "classes packed channels height width"]:
    """Fill ``rows · columns`` tiles of stored images with images downsampled by nearest neighbour.

    Args:
        images: (classes, n · rows · columns, channels, height, width).
        rows: tiles along the height; if it does not divide the height, the first tiles are a pixel longer.
        columns: tiles along the width, with the same rule.

    Returns:
        (classes, n, channels, height, width); tile k of image q holds image ``k · n + q`` of its class.
    """
    height, width = images.shape[-2:]
    tiles = images.unflatten(1, (rows * columns, -1)).unbind(1)
    packed = torch.empty_like(tiles[0])
    grid = [(row, column) for row in _parts(height, rows) for column in _parts(width, columns)]
    for tile, (row, column) in zip(tiles, grid, strict=True):
        size = (row.stop - row.start, column.stop - column.start)
        small = nn.functional.interpolate(tile.flatten(0, 1), size=size, mode="nearest")
        packed[..., row, column] = small.unflatten(0, tile.shape[:2])
    return packed


def fills(size: int, factor: int) -> bool:
    """Whether each of ``factor`` tiles along a side contains a pixel of the image, not only padding."""
    return factor <= size and -(-size // factor) * (factor - 1) < size


def _parts(size: int, factor: int) -> list[slice]:
    short, longer = divmod(size, factor)
    parts: list[slice] = []
    start = 0
    for part in range(factor):
        stop = start + short + (part < longer)
        parts.append(slice(start, stop))
        start = stop
    return parts
