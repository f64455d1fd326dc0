"""Images from a few coefficients of their cosine transform, at positions that a class shares."""

from typing import Annotated, ClassVar, Literal, final

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Images, ImageSpec, InputError, StoredImages, Streams
from idc.stages import papers
from idc.stages.decoders.dct import Norm, dct, inverse_dct
from idc.stages.decoders.fitted import Fitted


@final
class FreD(Fitted):
    """Images described by some coefficients of their two-dimensional DCT (FreD, NeurIPS 2023, section 3).

    For each class the positions with the largest variance over its initial images are kept, the same ones for
    all its images and channels. They are never optimised. The budget counts them beside the coefficients.
    """

    fixed: ClassVar[frozenset[str]] = frozenset({"positions"})

    bibtex = papers.FRED

    type: Literal["fred"] = "fred"
    frequencies: Annotated[int, Field(ge=1)]
    """Stored coefficients per channel of an image; ``height · width / frequencies`` times as many images are
    described as pixels could store (the paper: 16 to 32 times as many)."""
    norm: Norm = "ortho"
    """Scale of the coefficients, with the meaning it has in ``scipy.fft.dct``. The public code uses
    ``backward``: with it the same step of an image takes 4 · height · width times the learning rate."""

    def described(self, images_per_class: int, spec: ImageSpec) -> int:
        """``images_per_class · height · width / frequencies``, rounded down.

        Raises:
            InputError: there are more `frequencies` than pixels.
        """
        pixels = spec.height * spec.width
        if self.frequencies > pixels:
            raise InputError(
                f"decoder.frequencies: {self.frequencies} is more than {spec.height}x{spec.width} pixels "
                f"have; allowed are 1 to {pixels}"
            )
        return images_per_class * pixels // self.frequencies

    def fit(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """``coefficients`` (classes, n, channels, frequencies), and their ``positions`` (classes,
        frequencies) in the flattened plane, ascending."""
        planes = dct(images, self.norm).flatten(3)
        positions = torch.stack([explained_most(plane, self.frequencies) for plane in planes])
        kept = positions[:, None, None].expand(*planes.shape[:3], -1)
        return {"coefficients": planes.gather(3, kept), "positions": positions}

    def render(self, codes: Codes, spec: ImageSpec) -> Images:
        """The inverse transform of the coefficients at their positions, all others being 0."""
        coefficients = codes["coefficients"]
        planes = coefficients.new_zeros(*coefficients.shape[:2], spec.height * spec.width)
        planes = planes.scatter(2, codes["positions"].expand_as(coefficients), coefficients)
        return inverse_dct(planes.unflatten(2, (spec.height, spec.width)), self.norm)


def explained_most(planes: Float[Tensor, "n channels k"], count: int) -> Int[Tensor, " count"]:
    """Positions of the largest variances over the images of a class, ascending.

    Args:
        planes: coefficients of the images, of which the mean over channels is taken.
        count: how many positions.
    """
    values = planes.mean(1)
    # A single image has no variance, and keeps its largest coefficients.
    spread = values.var(0) if len(values) > 1 else values[0] ** 2
    return spread.argsort(descending=True, stable=True)[:count].sort().values
