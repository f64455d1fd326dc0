"""Images with labels as PyTorch's data loaders, Lightning and timm take them."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from idc.errors import InputError
from idc.shapes import Labels
from idc.spec import ImageSpec


class LabelledImages(torch.utils.data.Dataset[tuple[Any, Any]]):
    """A map-style dataset with what torchvision's have: ``classes``, ``class_to_idx`` and ``targets``.

    Args:
        read: the image at a position, (channels, height, width) in the dataset's value range, on the CPU.
        labels: of the images, on the CPU.
        spec: of the images.
        transform: of an image (channels, height, width) in the dataset's value range, 0 to 1 for pictures.
        normalized: whether what the transform gives is then normalised by the mean and standard deviation
            that networks are trained with; a transform that does so itself needs this off.
        pil: whether the transform takes 8-bit PIL images, as timm's do; without one these are given.

    Raises:
        InputError: PIL images are asked for that cannot be, or cannot be normalised.
    """

    def __init__(
        self,
        read: Callable[[int], Tensor],
        labels: Labels,
        spec: ImageSpec,
        transform: Callable[[Any], Any] | None = None,
        *,
        normalized: bool = True,
        pil: bool = False,
    ) -> None:
        if pil and (spec.channels not in (1, 3) or spec.high is None):
            raise InputError(
                f"pil: images with {spec.channels} channels and values from {spec.low:g} to {spec.high} are "
                "no pictures; transform tensors instead"
            )
        if pil and normalized and transform is None:
            raise InputError("normalized: PIL images cannot be; give a transform, or normalized=False")
        self.spec = spec
        """What an image is, with the mean and standard deviation of each channel."""
        self.classes = list(spec.classes)
        """Names, in the order of the labels."""
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        """The label of each name."""
        self.targets: list[int] | Tensor = labels if labels.is_floating_point() else labels.tolist()
        """The label of each image: class numbers, or soft labels (n, classes)."""
        self._read, self._transform, self._normalized, self._pil = read, transform, normalized, pil
        self._mean, self._std = (torch.tensor(each).view(-1, 1, 1) for each in (spec.mean, spec.std))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """An image, by default a normalised float tensor (channels, height, width), and its label.

        The label is a class number, or where labels are soft the probability of each class, (classes,).
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"{index} is not the position of one of {len(self)} images")
        at = index % len(self)
        image: Any = self._read(at)
        image = self._picture(image) if self._pil else image
        image = image if self._transform is None else self._transform(image)
        return (image - self._mean) / self._std if self._normalized else image, self.targets[at]

    def _picture(self, image: Tensor) -> Image.Image:
        low, high = self.spec.low, self.spec.high
        assert high is not None, "refused at the beginning"
        return as_picture((image - low) / (high - low))


def as_picture(unit: Float[Tensor, "channels height width"]) -> Image.Image:
    """An 8-bit picture, grey or in colour, of an image whose values 0 and 1 are black and white."""
    pixels = (unit.clamp(0, 1) * 255).round().byte()
    return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())
