"""The shapes that travel through the engine, as jaxtyping annotations; the tests check them at run time.

n: images of a batch. Axis names that a function uses twice must agree in size.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Images = Float[Tensor, "n channels height width"]
"""Images as floats: in the dataset's value range ("unit") or normalised, as the function says."""

StoredImages = Float[Tensor, "classes images channels height width"]
"""Real images by class, for a decoder to pack."""

Pixels = UInt8[Tensor, "n channels height width"] | Images
"""A split's images as it keeps them: bytes where the source has bytes."""

Labels = Int[Tensor, " n"]
"""Class numbers from 0."""

Indices = Int[Tensor, " _"]
"""Positions of images; any number, which is not compared with other axes."""

Scalar = Float[Tensor, ""]

Codes = dict[str, Tensor]
"""Stored tensors by name, with a leading class axis unless the decoder says they are shared."""


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

    parameters: dict[str, Tensor] = field(default_factory=dict)
    """By name. Of an augmentation, the first axis is 1 (siamese: holds for all images) or one of images.
    What was drawn is in the values alone: names, shapes and types are the same for every draw of a stage, so
    that one compiled graph does for all."""

    def part(self, name: str) -> dict[str, Tensor]:
        """Parameters called ``name.…``, by what follows."""
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
