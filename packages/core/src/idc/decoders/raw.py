"""No parameterization: what is stored is what is trained on."""

from typing import Literal, final

from idc.decoders.pixels import PixelDecoder
from idc.shapes import Batch, Codes, Labels


@final
class Raw(PixelDecoder):
    """Stored images are training images (IDC-I, DC, DSA, DM)."""

    type: Literal["raw"] = "raw"

    def decode(self, codes: Codes, labels: Labels) -> Batch:
        """The stored images as they are."""
        return Batch(codes["images"], labels)
