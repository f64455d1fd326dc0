"""What decoders have in common whose codes describe a number of images of their own."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Batch, ClassNumbers, Codes, Decoder, Images, ImageSpec, StoredImages, Streams
from idc.stages.decoders.tiles import enlarged_tiles, pack, refuse_unfit_factor

AT_ONCE = 2**24
"""Numbers of one intermediate result that a fit holds at the same time."""


class Fitted(Decoder):
    """Base of decoders that store something smaller than images, and so more of it than images would fit.

    Subclasses work on normalised images: a channel's value is ``(pixel - mean) / std``.
    """

    factor: Annotated[int, Field(ge=1)] = 1
    """Tiles along each side of a described image, each enlarged to full size (IDC's multi-formation)."""

    @abstractmethod
    def described(self, images_per_class: int, spec: ImageSpec) -> int:
        """Number of images of a class that the stored numbers of ``images_per_class`` images describe.

        Raises:
            InputError: a field does not fit such images, or not even one image fits.
        """

    @abstractmethod
    def fit(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """Codes of normalised images, `described` for each class."""

    @abstractmethod
    def render(self, codes: Codes, spec: ImageSpec) -> Images:
        """The normalised images that the codes of one class describe."""

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        """One real image for each tile of each described image.

        Raises:
            InputError: `factor` or another field does not fit such images.
        """
        refuse_unfit_factor(self.factor, spec)
        return self.described(images_per_class, spec) * self.factor**2

    def unpacked(self, images_per_class: int, spec: ImageSpec) -> int:
        """As many as `capacity`."""
        return self.capacity(images_per_class, spec)

    def encode(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """The images packed into tiles, and fitted."""
        normalised = (images - _channels(spec.mean, images)) / _channels(spec.std, images)
        packed = normalised if self.factor == 1 else pack(normalised, self.factor, self.factor)
        return self.fit(packed, images_per_class, spec, streams)

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        """The described images, or their tiles: the first tiles of all images, then the next, row by row.

        Values may lie outside the value range. Sides that `factor` does not divide are padded with the mean.
        """
        images = enlarged_tiles(self.render(codes, spec), self.factor, self.factor, padding=0.0)
        images = images * _channels(spec.std, images) + _channels(spec.mean, images)
        return Batch(images, labels[:1].expand(len(images)))

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        """The codes unchanged: they are not pixels."""
        return codes


def fitted(
    images: StoredImages,
    draw: Callable[[Images, Streams], Codes],
    render: Callable[[Codes], Images],
    streams: Streams,
    *,
    steps: int,
    learning_rate: float,
    numbers_per_image: int,
    limited: Callable[[Codes], Codes] = lambda codes: codes,
) -> Codes:
    """Codes after full-batch steps of Adam (PyTorch's defaults) on the mean squared error of each image.

    Images are independent of each other, so that only as many of a class as `AT_ONCE` allows are fitted
    together.

    Args:
        images: normalised, (classes, n, channels, height, width).
        draw: codes of a class's images at the start, with n as their first axis.
        render: images from the codes of some of them.
        streams: a child for each class goes to ``draw``.
        steps: of Adam.
        learning_rate: of Adam.
        numbers_per_image: that the widest intermediate result of rendering an image holds.
        limited: what the codes are replaced with after every step.
    """
    together = max(1, AT_ONCE // numbers_per_image)

    def of_some(images: Images, codes: Codes) -> Codes:
        codes = {name: code.detach().clone().requires_grad_() for name, code in codes.items()}
        optimizer = torch.optim.Adam(list(codes.values()), lr=learning_rate)
        for _ in range(steps):
            optimizer.zero_grad()
            error = (render(codes) - images) ** 2
            error.mean((1, 2, 3)).sum().backward()
            optimizer.step()
            _replace(codes, limited)
        return {name: code.detach() for name, code in codes.items()}

    def of_class(images: Images, codes: Codes) -> Codes:
        places = [slice(first, first + together) for first in range(0, len(images), together)]
        parts = [of_some(images[some], {name: code[some] for name, code in codes.items()}) for some in places]
        return {name: torch.cat([part[name] for part in parts]) for name in codes}

    with torch.enable_grad():
        classes = [of_class(each, draw(each, streams.child(label))) for label, each in enumerate(images)]
    return {name: torch.stack([each[name] for each in classes]) for name in classes[0]}


@torch.no_grad()
def _replace(codes: Codes, limited: Callable[[Codes], Codes]) -> None:
    for name, code in limited(codes).items():
        if code is not codes[name]:
            codes[name].copy_(code)


def _channels(values: Sequence[float], like: Tensor) -> Tensor:
    # Filled and not copied from the CPU, which would wait for the GPU; not cached, because a step that is
    # traced makes tensors without data.
    return torch.cat([like.new_full((1,), value) for value in values]).view(-1, 1, 1)
