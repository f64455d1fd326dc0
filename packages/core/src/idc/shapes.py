"""Tensor shapes as jaxtyping annotations; the tests check them at run time.

n: images of a batch. Within one function's signature, axes of the same name have the same size.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils import _pytree as pytree

Images = Float[Tensor, "n channels height width"]
"""Float images, in the dataset's value range or normalised; each function says which."""

StoredImages = Float[Tensor, "classes images channels height width"]
"""Real images by class, for a decoder to pack."""

Pixels = UInt8[Tensor, "n channels height width"] | Images
"""A split's images as stored: uint8 if the source has bytes, else floats."""

ClassNumbers = Int[Tensor, " n"]
"""Hard labels: class numbers from 0."""

Labels = ClassNumbers | Float[Tensor, "n classes"]
"""Hard labels, or soft labels: the probability of each class for each image."""

Indices = Int[Tensor, " _"]
"""Positions of images; the length is not checked against other axes."""

Scalar = Float[Tensor, ""]

Tensors = dict[str, Tensor]
"""By name."""

Codes = Tensors
"""Stored tensors by name, with a leading class axis unless the decoder declares them shared."""

OptimizerState = dict[str, Codes]
"""Buffer name, such as ``velocity`` → one tensor per code or weight, of its shape."""


@dataclass(frozen=True)
class Batch:
    """Images and their labels."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Draw:
    """Random parameters of one application of an augmentation."""

    parameters: Tensors = field(default_factory=dict)
    """By name. For augmentations the first axis is 1 (siamese: shared by all images) or the images.
    Names, shapes and types are the same for every draw of a stage and only values differ, so that all draws
    share one compiled graph."""

    def part(self, name: str) -> Tensors:
        """Parameters named ``name.…``, with that prefix removed."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.parameters.items()
            if key.startswith(prefix)
        }

    def to(self, device: torch.device) -> "Draw":
        """A copy on a device."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.parameters.items()}
        return Draw(moved)


def _draw_of(parts: Iterable[Any], _: object) -> Draw:
    # Not by the constructor, because vmap fills the tree with what it maps over, which is no tensor.
    draw = object.__new__(Draw)
    (parameters,) = parts
    object.__setattr__(draw, "parameters", parameters)
    return draw


# So that draws can be inputs of compiled functions, be mapped over and be moved with other tensors.
pytree.register_pytree_node(Draw, lambda draw: ([draw.parameters], None), _draw_of)


def class_numbers(labels: Labels) -> ClassNumbers:
    """Hard labels; for soft labels the most probable class."""
    return labels.argmax(1) if labels.is_floating_point() else labels
