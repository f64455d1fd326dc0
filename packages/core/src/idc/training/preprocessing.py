"""Normalisation and augmentations as one function from images in the value range to a network's input."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from idc.errors import InputError
from idc.kinds import Augmentation
from idc.runtime.device import constant
from idc.seeding import Streams
from idc.shapes import Draw, Images
from idc.spec import ImageSpec

ENOUGH = 16
"""Images of a trial, so that an augmentation applied with some probability is applied at least once."""


class Preprocessing:
    """What stands between a dataset's images and a network.

    Each augmentation gets the images in the space it asks for; whatever they are, the result is normalised.
    """

    def __init__(
        self,
        spec: ImageSpec,
        augmentations: Sequence[Augmentation] = (),
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._shape = spec.shape
        self._augmentations = tuple(augmentations)
        self._device = torch.device("cpu") if device is None else device
        self._mean, self._std = (
            constant(values, dtype, self._device).view(-1, 1, 1) for values in (spec.mean, spec.std)
        )

    def refuse_unfit(self) -> None:
        """Try the augmentations, to learn early whether they fit.

        Raises:
            InputError: an augmentation fails on such images or does not keep their shape.
        """
        images = torch.full((ENOUGH, *self._shape), 0.5, device=self._device)
        try:
            draws = self.draw(ENOUGH, Streams(0).generator("check"))
            self(images, [draw.to(self._device) for draw in draws])
        except InputError:
            raise
        # Whatever a library's augmentation raises, it is the user who chose it.
        except Exception as error:
            labels = ", ".join(augmentation.label() for augmentation in self._augmentations)
            raise InputError(
                f"augment: {labels} cannot be applied to images of {self._shape} ({error}); choose another"
            ) from error

    def draw(self, count: int, generator: Generator) -> list[Draw]:
        """Random parameters of every augmentation, on the CPU.

        Args:
            count: 1 for a siamese draw, else the number of images.
            generator: the only source of randomness.
        """
        return [augmentation.draw(count, self._shape, generator) for augmentation in self._augmentations]

    def __call__(self, images: Images, draws: Sequence[Draw] | None = None) -> Images:
        """Normalise images and, if draws are given, augment them.

        Args:
            images: in the dataset's value range.
            draws: what `draw` returned; without them the images are only normalised.

        Returns:
            Normalised images of the same shape.

        Raises:
            InputError: an augmentation does not keep their shape.
        """
        space = "unit"
        if draws is not None:
            for augmentation, draw in zip(self._augmentations, draws, strict=True):
                images = self._moved(images, space, augmentation.space)
                changed, space = augmentation.apply(images, draw), augmentation.space
                if changed.shape != images.shape:
                    raise InputError(
                        f"augment: {augmentation.label()} turns images of {tuple(images.shape[1:])} into "
                        f"{tuple(changed.shape[1:])}; an augmentation must keep their shape"
                    )
                images = changed
        return self._moved(images, space, "normalised")

    def _moved(self, images: Tensor, space: str, wanted: str) -> Tensor:
        if space == wanted:
            return images
        if wanted == "normalised":
            return (images - self._mean) / self._std
        return images * self._std + self._mean
