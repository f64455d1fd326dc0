"""The first rung for decoders: what is stored are images of the dataset's shape."""

from idc.kinds import Decoder
from idc.shapes import Codes, StoredImages
from idc.spec import ImageSpec


class PixelDecoder(Decoder):
    """A decoder whose one stored tensor, ``images``, holds ``images_per_class`` images of each class.

    Subclasses write `decode` alone.
    """

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        """One real image for each stored one."""
        return images_per_class

    def encode(self, images: StoredImages, images_per_class: int) -> Codes:
        """The images as they are."""
        return {"images": images}

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        """Pixels clamped to the value range."""
        return {"images": codes["images"].clamp(spec.low, spec.high)}
