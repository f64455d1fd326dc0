"""CutMix: a box of each image is replaced by another image's, and the loss weights both labels by area."""

import torch
from torch import Generator, Tensor, nn

from idc.shapes import Draw, Images, Labels, Scalar

Box = tuple[int, int, int, int]


def draw_cutmix(count: int, shape: tuple[int, int, int], probability: float, generator: Generator) -> Draw:
    """CutMix parameters of a batch.

    Args:
        count: images in the batch.
        shape: (channels, height, width).
        probability: of mixing the batch; otherwise the box is empty and the weight is 1.
        generator: the only source of randomness.

    Returns:
        ``permutation`` (count,), the images' partners; ``box`` (4,): first row, first column, end row, end
        column; and ``weight`` (), of the images' own labels: 1 - box area / image area.
    """
    _, height, width = shape
    uniform, fraction = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
    row = int(torch.randint(height, (), generator=generator))
    column = int(torch.randint(width, (), generator=generator))
    permutation = torch.randperm(count, generator=generator)
    box = cutmix_box(height, width, row, column, fraction) if uniform < probability else (0, 0, 0, 0)
    return Draw(
        {
            "permutation": permutation,
            "box": torch.tensor(box),
            "weight": torch.tensor(own_weight(height, width, box)),
        }
    )


def cutmix_box(height: int, width: int, row: int, column: int, fraction: float) -> Box:
    """A box around a centre with about ``1 - fraction`` of the image's area, clipped to the image.

    Returns:
        First row, first column, end row, end column. An odd side loses one pixel, as in the public code.
    """
    side = (1 - fraction) ** 0.5
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    return (
        max(row - half_height, 0),
        max(column - half_width, 0),
        min(row + half_height, height),
        min(column + half_width, width),
    )


def own_weight(height: int, width: int, box: Box) -> float:
    """The weight of an image's own label: the fraction of its area outside the box."""
    return 1 - (box[2] - box[0]) * (box[3] - box[1]) / (height * width)


def cutmix(images: Images, mix: Draw) -> Images:
    """Replace the box by the partner's pixels; through a mask, so that shapes do not depend on the draw."""
    first_row, first_column, end_row, end_column = mix.parameters["box"].unbind()
    rows = torch.arange(images.shape[2], device=images.device)
    columns = torch.arange(images.shape[3], device=images.device)
    inside = (
        ((rows >= first_row) & (rows < end_row))[:, None] & (columns >= first_column) & (columns < end_column)
    )
    return torch.where(inside, images[mix.parameters["permutation"]], images)


def mixed_cross_entropy(logits: Tensor, labels: Labels, mix: Draw) -> Scalar:
    """Mean cross-entropy with both labels, weighted by area; labels may be soft."""
    weight = mix.parameters["weight"].to(logits.dtype)
    own = nn.functional.cross_entropy(logits, labels)
    partner = nn.functional.cross_entropy(logits, labels[mix.parameters["permutation"]])
    return weight * own + (1 - weight) * partner
