"""Augmentations of kornia, by name."""

from functools import cached_property
from typing import Any, ClassVar, Literal, final

import kornia.augmentation
import torch
from kornia.augmentation import AugmentationBase2D
from pydantic import Field, model_validator
from torch import Generator

from idc.kinds import Augmentation, Draw, Images


@final
class Kornia(Augmentation):
    """A class of ``kornia.augmentation``, on images from 0 to 1.

    ``type = "kornia"``, ``name = "RandomAffine"``, ``arguments = {degrees = 15, p = 1.0}``.
    """

    space: ClassVar[Literal["unit", "normalised"]] = "unit"

    type: Literal["kornia"] = "kornia"
    name: str
    """Class name in ``kornia.augmentation``; it must transform single images and keep their size."""
    arguments: dict[str, Any] = Field(default_factory=dict)
    """Keyword arguments of the class."""

    @model_validator(mode="after")
    def _constructible(self) -> "Kornia":
        kind = getattr(kornia.augmentation, self.name, None)
        if not (isinstance(kind, type) and issubclass(kind, AugmentationBase2D)):
            raise ValueError(
                f"name {self.name!r} is not a 2-D augmentation of kornia.augmentation; choose one such as "
                "'RandomAffine' or 'RandomPlasmaBrightness'"
            )
        try:
            kind(**self.arguments)
        # Constructors raise all kinds of exceptions for wrong arguments.
        except Exception as error:
            raise ValueError(f"arguments of {self.name} are not valid: {error}") from None
        return self

    @cached_property
    def module(self) -> AugmentationBase2D:
        """The kornia module; its state between calls is not used."""
        return getattr(kornia.augmentation, self.name)(**self.arguments)

    def draw(self, count: int, shape: tuple[int, int, int], generator: Generator) -> Draw:
        """Kornia's parameters for ``count`` images of this shape."""
        # kornia uses the global generator.
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return Draw(self.module.forward_parameters(torch.Size((count, *shape))))

    def apply(self, images: Images, draw: Draw) -> Images:
        """Transform with the drawn parameters; those of a siamese draw are repeated for all images."""
        parameters = dict(draw.parameters)
        if len(parameters["batch_prob"]) == 1:
            parameters = {
                name: tensor.expand(len(images), *tensor.shape[1:]) if len(tensor) == 1 else tensor
                for name, tensor in parameters.items()
            }
            if "batch_idx" in parameters:
                parameters["batch_idx"] = torch.arange(len(images), device=images.device).view(-1, 1)
        parameters["forward_input_shape"] = torch.tensor(images.shape)
        return self.module(images, params=parameters)
