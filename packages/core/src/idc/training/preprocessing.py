"""Normalisation and augmentation: from images in the value range to a network's input."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from idc.errors import InputError
from idc.kinds import Augmentation
from idc.runtime.device import constant
from idc.seeding import Streams
from idc.shapes import Draw, Images
from idc.spec import ImageSpec

TRIAL_IMAGES = 16
"""Images of a trial run; enough that random augmentations are most likely applied."""


class Preprocessing:
    """Augmentation and normalisation of a dataset's images.

    Each augmentation gets the images in its own `space`; the result is always normalised.
    """

    def __init__(
        self,
        spec: ImageSpec,
        augmentations: Sequence[Augmentation] = (),
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._shape = spec.shape
        # Unbounded values have no range to be brought to.
        self._low, self._length = (spec.low, spec.high - spec.low) if spec.high is not None else (0.0, 1.0)
        self._augmentations = tuple(augmentations)
        self._device = torch.device("cpu") if device is None else device
        self._mean, self._std = (
            constant(values, dtype, self._device).view(-1, 1, 1) for values in (spec.mean, spec.std)
        )

    def refuse_unfit(self) -> None:
        """Try the augmentations on constant images.

        Raises:
            InputError: an augmentation fails on such images or changes their shape.
        """
        images = torch.full((TRIAL_IMAGES, *self._shape), 0.5, device=self._device)
        try:
            draws = self.draw(TRIAL_IMAGES, Streams(0).generator("check"))
            self(images, [draw.to(self._device) for draw in draws])
        except InputError:
            raise
        # Libraries raise all kinds of exceptions for images that do not fit.
        except Exception as error:
            labels = ", ".join(augmentation.label() for augmentation in self._augmentations)
            raise InputError(
                f"augment: {labels} cannot be applied to images of shape {self._shape} ({error}); choose "
                "another augmentation"
            ) from error

    def draw(self, count: int, generator: Generator) -> list[Draw]:
        """Random parameters of every augmentation, on the CPU.

        Args:
            count: 1 for a siamese draw, else the number of images.
            generator: the only source of randomness.
        """
        return [augmentation.draw(count, self._shape, generator) for augmentation in self._augmentations]

    def __call__(self, images: Images, draws: Sequence[Draw] | None = None) -> Images:
        """Augment and normalise images.

        Args:
            images: in the dataset's value range.
            draws: as returned by `draw`; without them the images are only normalised.

        Returns:
            Normalised images of the same shape.

        Raises:
            InputError: an augmentation changes their shape.
        """
        space = "values"
        if draws is not None:
            for augmentation, draw in zip(self._augmentations, draws, strict=True):
                images = self._converted(images, space, augmentation.space)
                changed, space = augmentation.apply(images, draw), augmentation.space
                if changed.shape != images.shape:
                    raise InputError(
                        f"augment: {augmentation.label()} changes the shape of images from "
                        f"{tuple(images.shape[1:])} to {tuple(changed.shape[1:])}; augmentations must keep it"
                    )
                images = changed
        return self._converted(images, space, "normalised")

    def _converted(self, images: Tensor, space: str, wanted: str) -> Tensor:
        if space == wanted:
            return images
        from_zero_to_one = (self._low, self._length) == (0.0, 1.0)
        if space == "normalised":
            images = images * self._std + self._mean
        elif space == "unit" and not from_zero_to_one:
            images = images * self._length + self._low
        if wanted == "normalised":
            return (images - self._mean) / self._std
        return images if from_zero_to_one else (images - self._low) / self._length
