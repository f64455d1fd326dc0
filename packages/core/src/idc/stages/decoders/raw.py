"""No parameterization: the stored images are the training images."""

from typing import Literal, final

import torch

from idc.kinds import Batch, ClassNumbers, Codes, ImageSpec, PixelDecoder, StoredImages, Streams

INITIAL_LOGIT = 4.0
"""Of an image's own class; those of the other classes are 0."""


@final
class Raw(PixelDecoder):
    """Stored images are the training images (IDC-I, DC, DSA, DM)."""

    type: Literal["raw"] = "raw"
    labels: Literal["hard", "soft"] = "hard"
    """``hard``: class numbers. ``soft``: the softmax of logits that are stored and optimised with each image
    and count in the budget."""

    def soft_labels(self) -> bool:
        """Whether `labels` says so."""
        return self.labels == "soft"

    def encode(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """The images unchanged, and the initial logits of soft labels."""
        if self.labels == "hard":
            return {"images": images}
        own = torch.eye(len(images), device=images.device, dtype=images.dtype)
        logits = (INITIAL_LOGIT * own)[:, None].repeat(1, images_per_class, 1)
        return {"images": images, "logits": logits}

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        """The stored images unchanged."""
        return Batch(codes["images"], codes["logits"].softmax(1) if self.labels == "soft" else labels)
