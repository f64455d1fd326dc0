"""Images of synsets for people to look at."""

from pathlib import Path

import torch
from PIL import Image
from torch import nn
from torchvision.utils import make_grid

from idc.artifact import write_atomically
from idc.shapes import Images
from idc.synset import Synset

LEGIBLE = 64
"""Smaller images are enlarged up to this many pixels."""


def grid(synset: Synset, per_class: int = 20) -> Image.Image:
    """The synset's decoded images, one row for each class in the order of the labels.

    Args:
        synset: its value range is mapped to black … white.
        per_class: images shown of a class, at most.

    Returns:
        A picture, grey unless there are three channels; small images are enlarged by a whole factor
        without smoothing.
    """
    unit = _unit(synset)
    if synset.spec.channels not in (1, 3):
        unit = unit.mean(1, keepdim=True)
    rows = [unit[synset.labels == label][:per_class] for label in range(len(synset.spec.classes))]
    columns = max(len(row) for row in rows)
    full = [torch.cat([row, row.new_ones(columns - len(row), *row.shape[1:])]) for row in rows]
    factor = max(1, LEGIBLE // max(synset.spec.height, synset.spec.width))
    images = nn.functional.interpolate(torch.cat(full), scale_factor=factor, mode="nearest")
    picture = make_grid(images, nrow=columns, padding=2, pad_value=1.0)
    return Image.fromarray((picture * 255).round().byte().permute(1, 2, 0).numpy())


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as PNG; the file is whole or not there."""
    write_atomically(path, lambda file: picture.save(file, format="PNG"))


def _unit(synset: Synset) -> Images:
    low = synset.spec.low
    high = synset.images.amax().item() if synset.spec.high is None else synset.spec.high
    return (synset.images - low) / max(high - low, 1e-12)
