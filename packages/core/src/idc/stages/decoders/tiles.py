"""Cutting images into upsampled tiles, and packing downsampled images into tiles."""

from collections.abc import Sequence
from typing import Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from idc.kinds import Images, ImageSpec, InputError, StoredImages

T = TypeVar("T")

Order = Literal["rows", "columns"]
"""Of tiles: row by row, or column by column."""
Packing = Literal["nearest", "mean"]
"""How images are downsampled: by nearest neighbour, or to the mean of the pixels that become one."""
Axis = Literal["both", "time"]
"""What is cut: height and width, or only the width, which is a spectrogram's time."""


def enlarged_tiles(
    images: Images, rows: int, columns: int, padding: float = 0.5, order: Order = "rows"
) -> Float[Tensor, "formations channels height width"]:
    """Cut images into ``rows · columns`` tiles and upsample each to full size.

    Args:
        images: (n, channels, height, width); padded at the right and bottom to whole tiles.
        rows: tiles along the height.
        columns: tiles along the width.
        padding: value of the padding.
        order: of the tiles.

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
        for row, column in _grid(
            range(0, tile_height * rows, tile_height), range(0, tile_width * columns, tile_width), order
        )
    ]
    return nn.functional.interpolate(
        torch.cat(tiles), size=(height, width), mode="bilinear", align_corners=False
    )


def pack(
    images: StoredImages, rows: int, columns: int, order: Order = "rows", packing: Packing = "nearest"
) -> Float[Tensor, "classes packed channels height width"]:
    """Fill ``rows · columns`` tiles of stored images with downsampled images.

    Args:
        images: (classes, n · rows · columns, channels, height, width).
        rows: tiles along the height; if it does not divide the height, the first tiles are a pixel longer.
        columns: tiles along the width, with the same rule.
        order: of the tiles.
        packing: how images are downsampled; for ``mean``, rows and columns must divide the sides.

    Returns:
        (classes, n, channels, height, width); tile k of image q holds image ``k · n + q`` of its class.
    """
    height, width = images.shape[-2:]
    tiles = images.unflatten(1, (rows * columns, -1)).unbind(1)
    packed = torch.empty_like(tiles[0])
    grid = _grid(_parts(height, rows), _parts(width, columns), order)
    mode = "nearest" if packing == "nearest" else "area"
    for tile, (row, column) in zip(tiles, grid, strict=True):
        size = (row.stop - row.start, column.stop - column.start)
        small = nn.functional.interpolate(tile.flatten(0, 1), size=size, mode=mode)
        packed[..., row, column] = small.unflatten(0, tile.shape[:2])
    return packed


def refuse_unfit_factor(factor: int, spec: ImageSpec, axis: Axis = "both") -> None:
    """Refuse tiles that images of this size do not fill.

    Args:
        factor: tiles along each side that is cut.
        spec: of the images.
        axis: that is cut.

    Raises:
        InputError: ``factor`` is larger than the image, or the last tiles would contain only padding.
    """
    if fits(factor, spec, axis):
        return
    shorter = min(sides(spec, axis))
    problem = "is larger than" if factor > shorter else "gives tiles without pixels of"
    allowed = [each for each in range(1, shorter + 1) if fits(each, spec, axis)]
    raise InputError(
        f"decoder.factor: {factor} {problem} the image ({spec.height}x{spec.width} pixels); "
        f"allowed are {', '.join(map(str, allowed))}"
    )


def sides(spec: ImageSpec, axis: Axis) -> tuple[int, ...]:
    """The sides that are cut, in pixels."""
    return (spec.height, spec.width) if axis == "both" else (spec.width,)


def fits(factor: int, spec: ImageSpec, axis: Axis) -> bool:
    """Whether each of ``factor`` tiles along a side contains a pixel of the image, not only padding."""
    return all(factor <= side and -(-side // factor) * (factor - 1) < side for side in sides(spec, axis))


def _parts(size: int, factor: int) -> list[slice]:
    short, longer = divmod(size, factor)
    parts: list[slice] = []
    start = 0
    for part in range(factor):
        stop = start + short + (part < longer)
        parts.append(slice(start, stop))
        start = stop
    return parts


def _grid(rows: Sequence[T], columns: Sequence[T], order: Order) -> list[tuple[T, T]]:
    """Row and column of every tile, in this order."""
    if order == "rows":
        return [(row, column) for row in rows for column in columns]
    return [(row, column) for column in columns for row in rows]
