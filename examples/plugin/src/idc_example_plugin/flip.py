"""A decoder that adds the horizontal flip of every stored image (FYI, ECCV 2024)."""

from typing import Literal, final

import torch

from idc.kinds import Batch, ClassNumbers, Codes, ImageSpec, PixelDecoder


@final
class Flip(PixelDecoder):
    """Two training images per stored image: the image and its horizontal flip."""

    type: Literal["flip"] = "flip"

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        """The stored images, then their flips."""
        images = codes["images"]
        return Batch(torch.cat([images, images.flip(-1)]), labels.repeat(2))
