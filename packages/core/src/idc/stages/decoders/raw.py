"""No parameterization: what is stored is what is trained on."""

from typing import Literal, final

import torch

from idc.kinds import Batch, ClassNumbers, Codes, PixelDecoder, StoredImages

CERTAINTY = 4.0
"""First logit of an image's own class, against 0 of the others."""


@final
class Raw(PixelDecoder):
    """Stored images are training images (IDC-I, DC, DSA, DM)."""

    type: Literal["raw"] = "raw"
    labels: Literal["hard", "soft"] = "hard"
    """``hard``: class numbers. ``soft``: a logit for each class is stored with each image and optimised with
    it; the label is their softmax. They count in the budget."""

    def encode(self, images: StoredImages, images_per_class: int) -> Codes:
        """The images unchanged, and the first logits of soft labels."""
        if self.labels == "hard":
            return {"images": images}
        own = torch.eye(len(images), device=images.device, dtype=images.dtype)
        logits = (CERTAINTY * own)[:, None].repeat(1, images_per_class, 1)
        return {"images": images, "logits": logits}

    def decode(self, codes: Codes, labels: ClassNumbers) -> Batch:
        """The stored images unchanged."""
        return Batch(codes["images"], codes["logits"].softmax(1) if self.labels == "soft" else labels)
