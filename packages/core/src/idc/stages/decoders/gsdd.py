"""Images as sums of coloured Gaussians."""

import math
from typing import Annotated, ClassVar, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Decoder, Images, ImageSpec, InputError, Scalar, StoredImages, Streams
from idc.stages import papers
from idc.stages.decoders.fitted import Fitted, fitted

GEOMETRY = 6
"""Numbers of a Gaussian besides its colour: two for its centre, three for its shape, its opacity."""
EDGE = 1 - 2**-10
"""Largest coordinate of a centre, because the boundary's penalty is infinite at 1."""
NEAREST = 1e-6
"""Smallest 1 - xy² in the penalty, for centres that momentum carries outside. Less than at `EDGE`, because
clamping gives no gradient from its limits on."""
FAINTEST = 1 / 255
"""Less than this of a Gaussian's colour is left out."""


@final
class GSDD(Fitted):
    """Images described by two-dimensional Gaussians (GSDD, 2025).

    A pixel is the sum of the Gaussians' colours, each weighted by opacity times density, at most 1, and left
    out below 1/255; it is taken at four places within the pixel. There is no order and no background.
    Derivatives are exact, while the public code's pass through the limit of 1.
    """

    projects_each_step: ClassVar[bool] = True

    bibtex = papers.GSDD

    type: Literal["gsdd"] = "gsdd"
    gaussians: Annotated[int, Field(ge=1)]
    """Gaussians of an image; each stores 6 numbers and one for each channel."""
    boundary_penalty: Annotated[float, Field(ge=0)] = 0.1
    """Weight of mean(-log(1 - xy²)) over the centres' coordinates xy, from -1 to 1 across the image."""
    storage: Literal["fp32", "fp16"] = "fp32"
    """Number format in the synset. With ``fp16``, as published, twice as many images are described, with
    twice the numbers in the same bytes. Codes are optimised in float32."""
    fit_steps: Annotated[int, Field(ge=0)] = 1000
    """Steps of Adam that fit the initial Gaussians to real images; the public code takes 50,000."""
    fit_learning_rate: Annotated[float, Field(gt=0)] = 0.03
    """Learning rate of these steps; the public code's, for its many steps, is 0.1."""

    def described(self, images_per_class: int, spec: ImageSpec) -> int:
        """``images_per_class`` images' numbers divided by those of `gaussians` Gaussians, rounded down; twice
        the numbers with ``fp16``.

        Raises:
            InputError: one image's Gaussians have more numbers than there are.
        """
        stored = images_per_class * spec.channels * spec.height * spec.width
        stored *= 2 if self.storage == "fp16" else 1
        of_each = GEOMETRY + spec.channels
        if self.gaussians * of_each > stored:
            room = stored // of_each
            raise InputError(
                f"decoder.gaussians: {self.gaussians} of {of_each} numbers each do not fit into the "
                f"{stored:,} numbers of images_per_class = {images_per_class}; "
                + (f"allowed are 1 to {room}" if room else "set images_per_class higher")
            )
        return stored // (self.gaussians * of_each)

    def fit(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """``xy`` (classes, n, Gaussians, 2), ``cholesky`` (…, 3), ``colour`` (…, channels) and ``opacity``
        (…, 1).

        Initial Gaussians are drawn from ``streams``, and fitted class by class.
        """
        return fitted(
            images,
            self._drawn,
            lambda codes: self.render(codes, spec),
            streams,
            steps=self.fit_steps,
            learning_rate=self.fit_learning_rate,
            numbers_per_image=4 * self.gaussians * spec.height * spec.width,
            limited=lambda codes: self.project(codes, spec),
        )

    def render(self, codes: Codes, spec: ImageSpec) -> Images:
        """`splatted` Gaussians, in float32 if they are stored in float16."""
        xy, cholesky, colour, opacity = (
            codes[name].float() if codes[name].dtype == torch.float16 else codes[name]
            for name in ("xy", "cholesky", "colour", "opacity")
        )
        return splatted(xy, cholesky, colour, opacity, spec.height, spec.width)

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        """Centres moved into the image; decoded values may lie outside the value range."""
        return {**codes, "xy": codes["xy"].clamp(-EDGE, EDGE)}

    def unfitted(self) -> Decoder:
        """The decoder with 0 `fit_steps`."""
        return self.model_copy(update={"fit_steps": 0})

    def for_storage(self, codes: Codes) -> Codes:
        """In the number format of `storage`; from numbers that float16 cannot hold, the largest."""
        if self.storage == "fp32":
            return codes
        limit = torch.finfo(torch.float16).max
        return {name: code.clamp(-limit, limit).half() for name, code in codes.items()}

    def penalty(self, codes: Codes) -> Scalar:
        """The boundary's penalty of one class, which keeps centres away from the edges."""
        return -self.boundary_penalty * (1 - codes["xy"] ** 2).clamp(min=NEAREST).log().mean()

    def _drawn(self, images: Images, streams: Streams) -> Codes:
        # Anywhere, in all directions, about as large as the distance between neighbours.
        generator = streams.generator()
        shape = (len(images), self.gaussians)
        height, width = images.shape[-2:]
        spacing = math.sqrt(height * width / self.gaussians)

        def uniform(numbers: int, low: float, high: float) -> Tensor:
            unit = torch.rand(*shape, numbers, generator=generator, dtype=images.dtype)
            return (low + unit * (high - low)).to(images.device)

        lower = torch.tensor([0.5, 0.0, 0.5], dtype=images.dtype, device=images.device)
        return {
            "xy": uniform(2, -EDGE, EDGE),
            "cholesky": spacing * uniform(3, 0.25, 0.75) - lower,
            "colour": uniform(images.shape[1], -0.5, 0.5),
            "opacity": torch.ones(*shape, 1, dtype=images.dtype, device=images.device),
        }


def splatted(
    xy: Float[Tensor, "n g 2"],
    cholesky: Float[Tensor, "n g 3"],
    colour: Float[Tensor, "n g channels"],
    opacity: Float[Tensor, "n g 1"],
    height: int,
    width: int,
) -> Float[Tensor, "n channels height width"]:
    """Images from Gaussians (the kernels of GaussianImage, ECCV 2024, as GSDD uses them).

    Args:
        xy: centres, from -1 to 1 along the width and along the height.
        cholesky: l11, l21, l22 in pixels, of L = [[l11 + 0.5, 0], [l21, l22 + 0.5]]; the covariance of (x, y)
            is L·Lᵀ + I/12.
        colour: what is added at the centre of an opaque Gaussian.
        opacity: of each Gaussian.
        height: of an image, in pixels.
        width: of an image, in pixels.
    """
    right, cross, down = (cholesky[..., part, None, None] for part in range(3))
    right, down = right + 0.5, down + 0.5
    along_height = cross**2 + down**2 + 1 / 12
    # The determinant, written as a sum of squares so that nothing cancels in float32.
    determinant = (right * down) ** 2 + (right**2 + cross**2 + down**2) / 12 + 1 / 144
    x, y = (
        _sub_samples(size, xy) - (xy[..., axis, None] + 1) * (size / 2)
        for axis, size in enumerate((width, height))
    )
    x, y = x[..., None, :], y[..., :, None]
    # dᵀ C⁻¹ d with the square completed: along the width given the row, and along the height.
    given_row = (x - right * cross / along_height * y) * (along_height / determinant).sqrt()
    exponent = -0.5 * (given_row**2 + y**2 / along_height)
    share = opacity[..., None] * exponent.exp()
    share = torch.where(share < FAINTEST, 0.0, share.clamp(max=1.0))
    in_pixels = share.unflatten(3, (width, 2)).unflatten(2, (height, 2)).mean((3, 5))
    return (colour.mT @ in_pixels.flatten(2)).unflatten(2, (height, width))


def _sub_samples(size: int, like: Tensor) -> Tensor:
    """Two places within each pixel, in pixels."""
    return (torch.arange(2 * size, dtype=like.dtype, device=like.device) + 0.5) / 2
