"""IDC's augmentation for training ImageNet classifiers."""

from functools import lru_cache
from typing import Annotated, ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Generator

from idc.kinds import Augmentation, Draw, Images
from idc_augment.kornia import Kornia

# Eigenvalues and eigenvectors of the covariance of ImageNet's colours (AlexNet, section 4.1).
EIGENVALUES = (0.2175, 0.0188, 0.0045)
EIGENVECTORS = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


@final
class ImageNet(Augmentation):
    """Random resized crop, horizontal flip, colour jitter, lighting noise: IDC's evaluation on ImageNet."""

    space: ClassVar[Literal["unit", "normalised"]] = "unit"

    type: Literal["imagenet"] = "imagenet"
    area: tuple[float, float] = (0.5, 1.0)
    """Smallest and largest area of the crop, as fractions of the image."""
    flip: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Probability of a horizontal flip."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Brightness, contrast and saturation are multiplied by factors from 1 - this to 1 + this."""
    lighting: Annotated[float, Field(ge=0)] = 0.1
    """Standard deviation of the noise along the principal components of ImageNet's colours; only for three
    channels."""

    def draw(self, count: int, shape: tuple[int, int, int], generator: Generator) -> Draw:
        """Parameters of each operation, named by its position."""
        parameters: dict[str, torch.Tensor] = {}
        for position, operation in enumerate(self._operations(shape[1:])):
            drawn = operation.draw(count, shape, generator).parameters
            parameters |= {f"{position}.{name}": tensor for name, tensor in drawn.items()}
        parameters["lighting"] = self.lighting * torch.randn(count, 3, generator=generator)
        return Draw(parameters)

    def apply(self, images: Images, draw: Draw) -> Images:
        """Crop, flip, jitter and noise, in this order; not clipped after the noise."""
        for position, operation in enumerate(self._operations((images.shape[2], images.shape[3]))):
            images = operation.apply(images, Draw(draw.part(str(position))))
        if images.shape[1] != 3:
            return images
        amounts = draw.parameters["lighting"].to(images) * images.new_tensor(EIGENVALUES)
        shift = amounts @ images.new_tensor(EIGENVECTORS).T
        return images + shift[:, :, None, None]

    def _operations(self, size: tuple[int, int]) -> tuple[Kornia, ...]:
        return _operations(size, self.area, self.flip, self.jitter)


@lru_cache
def _operations(
    size: tuple[int, int], area: tuple[float, float], flip: float, jitter: float
) -> tuple[Kornia, ...]:
    amounts = dict.fromkeys(("brightness", "contrast", "saturation"), jitter)
    return (
        Kornia(name="RandomResizedCrop", arguments={"size": size, "scale": area}),
        Kornia(name="RandomHorizontalFlip", arguments={"p": flip}),
        Kornia(name="ColorJitter", arguments={**amounts, "p": 1.0}),
    )
