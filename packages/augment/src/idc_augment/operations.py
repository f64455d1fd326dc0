"""DiffAug's operations on batches of normalised images: pure, differentiable, without clipping.

Every parameter has one entry per image, or one for all (siamese). Shapes do not depend on the draw, so all
draws share one compiled graph.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from idc.kinds import Images

Values = Float[Tensor, " draws"]
Pixels = Int[Tensor, " draws"]
Chosen = Bool[Tensor, " draws"]
Matrices = Float[Tensor, "draws 2 3"]


def chosen(mask: Chosen, changed: Images, images: Images) -> Images:
    """The changed images where the mask is true, else the original ones."""
    return torch.where(_each(mask), changed, images)


def flip(images: Images, mask: Chosen) -> Images:
    """Flip images horizontally where the mask is true."""
    return torch.where(_each(mask), images.flip(-1), images)


def brightness(images: Images, offset: Values) -> Images:
    """Add an offset to every pixel."""
    return images + _each(offset)


def saturation(images: Images, factor: Values) -> Images:
    """Scale each value's difference from the mean over channels at its pixel."""
    mean = images.mean(1, keepdim=True)
    return mean + _each(factor) * (images - mean)


def contrast(images: Images, factor: Values) -> Images:
    """Scale each value's difference from the mean of its image."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + _each(factor) * (images - mean)


def shift(images: Images, rows: Pixels, columns: Pixels) -> Images:
    """Shift by whole pixels: ``out[r, c] = in[r + rows, c + columns]``, 0 outside."""
    height, width = images.shape[-2:]
    row, row_inside = _window(rows, height)
    column, column_inside = _window(columns, width)
    if len(row) == 1:
        moved = images.index_select(2, row[0]).index_select(3, column[0])
    else:
        moved = images.gather(2, row[:, None, :, None].expand(images.shape))
        moved = moved.gather(3, column[:, None, None, :].expand(images.shape))
    inside = row_inside[:, None, :, None] & column_inside[:, None, None, :]
    return torch.where(inside, moved, 0)


def cutout(images: Images, row: Pixels, column: Pixels, height: int, width: int) -> Images:
    """Set a box of ``height x width`` pixels around a centre to 0, clipped at the border."""
    rows = _box(row, height, images.shape[2])
    columns = _box(column, width, images.shape[3])
    return torch.where(rows[:, None, :, None] & columns[:, None, None, :], 0, images)


def affine(images: Images, theta: Matrices) -> Images:
    """Resample bilinearly at ``theta`` times the normalised output coordinates; 0 outside the image."""
    # `Any`, because torch's stubs only allow a list of ints.
    size: Any = images.shape
    theta = theta.to(images.dtype).expand(len(images), 2, 3)
    grid = nn.functional.affine_grid(theta, size, align_corners=False)
    return nn.functional.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def _each(parameter: Tensor) -> Tensor:
    return parameter.view(-1, 1, 1, 1)


def _window(shifts: Tensor, size: int) -> tuple[Tensor, Tensor]:
    position = torch.arange(size, device=shifts.device) + shifts[:, None]
    return position.clamp(0, size - 1), (position >= 0) & (position < size)


def _box(centre: Tensor, side: int, size: int) -> Tensor:
    position = torch.arange(size, device=centre.device)
    first = centre[:, None] - side // 2
    return (position >= first) & (position < first + side)
