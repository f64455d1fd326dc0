"""A decoder: every stored image and its mirror image (FYI, ECCV 2024)."""

from typing import Literal, final

import torch

from idc.kinds import Batch, Codes, Labels, PixelDecoder


@final
class Flip(PixelDecoder):
    """Twice as many training images as stored ones; nothing is spent on storing both directions."""

    type: Literal["flip"] = "flip"

    def decode(self, codes: Codes, labels: Labels) -> Batch:
        """The stored images, then their mirror images."""
        images = codes["images"]
        return Batch(torch.cat([images, images.flip(-1)]), labels.repeat(2))
