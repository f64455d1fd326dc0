"""The shapes that travel through the engine, as jaxtyping annotations; the tests check them at run time.

n: images of a batch. Axis names that a function uses twice must agree in size.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.utils import _pytree as pytree

Images = Float[Tensor, "n channels height width"]
"""Images as floats: in the dataset's value range ("unit") or normalised, as the function says."""

StoredImages = Float[Tensor, "classes images channels height width"]
"""Real images by class, for a decoder to pack."""

Pixels = UInt8[Tensor, "n channels height width"] | Images
"""A split's images as it keeps them: bytes where the source has bytes."""

ClassNumbers = Int[Tensor, " n"]
"""Hard labels: class numbers from 0."""

Labels = ClassNumbers | Float[Tensor, "n classes"]
"""Hard labels, or soft ones: for each image the probability of each class."""

Indices = Int[Tensor, " _"]
"""Positions of images; any number, which is not compared with other axes."""

Scalar = Float[Tensor, ""]

Tensors = dict[str, Tensor]
"""By name."""

Codes = Tensors
"""Stored tensors by name, with a leading class axis unless the decoder says they are shared."""

OptimizerState = dict[str, Codes]
"""Buffers by name, such as ``velocity``: for each of the codes a tensor of its shape."""


@dataclass(frozen=True)
class Batch:
    """Images and their labels."""

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Draw:
    """Random parameters of one use of an augmentation."""

    parameters: Tensors = field(default_factory=dict)
    """By name. Of an augmentation, the first axis is 1 (siamese: holds for all images) or one of images.
    Names, shapes and types are the same for every draw of a stage: what was drawn is in the values alone, so
    that all draws share one compiled graph."""

    def part(self, name: str) -> Tensors:
        """Parameters called ``name.…``, by what follows the dot."""
        prefix = f"{name}."
        return {
            key.removeprefix(prefix): tensor
            for key, tensor in self.parameters.items()
            if key.startswith(prefix)
        }

    def to(self, device: torch.device) -> "Draw":
        """The draw with its tensors on a device."""
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
    """Hard labels: class numbers as they are, of soft labels the most probable class."""
    return labels.argmax(1) if labels.is_floating_point() else labels
