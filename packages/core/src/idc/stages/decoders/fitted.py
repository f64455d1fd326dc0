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
    images: Images,
    initial: Codes,
    render: Callable[[Codes], Images],
    *,
    steps: int,
    learning_rate: float,
    numbers_per_image: int,
    limited: Callable[[Codes], Codes] = lambda codes: codes,
) -> Codes:
    """Codes of one class after full-batch steps of Adam (PyTorch's defaults) on each image's squared error.

    Images are independent of each other, so that only as many are fitted together as `AT_ONCE` allows.

    Args:
        images: normalised, (n, channels, height, width).
        initial: codes at the start, with n as their first axis.
        render: images from the codes of some of them.
        steps: of Adam.
        learning_rate: of Adam.
        numbers_per_image: that the widest intermediate result of rendering an image holds.
        limited: what the codes are replaced with after every step.
    """
    together = max(1, AT_ONCE // numbers_per_image)
    parts: list[Codes] = []
    with torch.enable_grad():
        for first in range(0, len(images), together):
            some = slice(first, first + together)
            codes = {name: code[some].detach().clone().requires_grad_() for name, code in initial.items()}
            optimizer = torch.optim.Adam(list(codes.values()), lr=learning_rate)
            for _ in range(steps):
                optimizer.zero_grad()
                error = (render(codes) - images[some]) ** 2
                error.mean((1, 2, 3)).sum().backward()
                optimizer.step()
                _replace(codes, limited)
            parts.append({name: code.detach() for name, code in codes.items()})
    return {name: torch.cat([part[name] for part in parts]) for name in initial}


@torch.no_grad()
def _replace(codes: Codes, limited: Callable[[Codes], Codes]) -> None:
    for name, code in limited(codes).items():
        if code is not codes[name]:
            codes[name].copy_(code)


def _channels(values: Sequence[float], like: Tensor) -> Tensor:
    # Filled and not copied from the CPU, which would wait for the GPU; not cached, because a step that is
    # traced makes tensors without data.
    return torch.cat([like.new_full((1,), value) for value in values]).view(-1, 1, 1)
