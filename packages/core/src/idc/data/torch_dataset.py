"""Labelled images as a dataset for PyTorch's data loaders, Lightning and timm."""

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
    """A map-style dataset with the attributes of torchvision's: ``classes``, ``class_to_idx``, ``targets``.

    Args:
        read: returns the image at a position, (channels, height, width) in the dataset's value range, on the
            CPU.
        labels: of the images, on the CPU.
        spec: of the images.
        transform: of an image (channels, height, width) in the dataset's value range, 0 to 1 for pictures.
        normalized: whether the image, after the transform, is normalised by the mean and standard deviation
            of ``spec``; switch it off if the transform does so itself.
        pil: whether the transform expects 8-bit PIL images, as timm's do. Without a transform, PIL images are
            returned.

    Raises:
        InputError: the images cannot be PIL images, or PIL images would have to be normalised.
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
        if pil and not spec.fits_pictures:
            raise InputError(
                f"pil: images with {spec.channels} channels and values from {spec.low:g} to {spec.high} "
                "cannot be PIL images, which have 1 or 3 channels and bounded values; use pil=False"
            )
        if pil and normalized and transform is None:
            raise InputError(
                "normalized: PIL images cannot be normalised; pass a transform to tensors, or "
                "normalized=False"
            )
        self.spec = spec
        """Image format, with the mean and standard deviation of each channel."""
        self.classes = list(spec.classes)
        """Class names, in the order of the labels."""
        self.class_to_idx = {name: label for label, name in enumerate(self.classes)}
        """Class name → label."""
        self.targets: list[int] | Tensor = labels if labels.is_floating_point() else labels.tolist()
        """The label of each image: class numbers, or soft labels (n, classes)."""
        self._read, self._transform, self._normalized, self._pil = read, transform, normalized, pil
        self._mean, self._std = (torch.tensor(each).view(-1, 1, 1) for each in (spec.mean, spec.std))

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """An image, by default a normalised float tensor (channels, height, width), and its label.

        The label is a class number or, for soft labels, the probability of each class, (classes,).
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is out of range for {len(self)} images")
        position = index % len(self)
        image: Any = self._read(position)
        image = self._picture(image) if self._pil else image
        image = image if self._transform is None else self._transform(image)
        return (image - self._mean) / self._std if self._normalized else image, self.targets[position]

    def _picture(self, image: Tensor) -> Image.Image:
        low, high = self.spec.low, self.spec.high
        assert high is not None, "checked by __init__"
        return as_picture((image - low) / (high - low))


def as_picture(unit: Float[Tensor, "channels height width"]) -> Image.Image:
    """An 8-bit PIL image, greyscale or RGB, of values where 0 is black and 1 is white."""
    pixels = (unit.clamp(0, 1) * 255).round().byte()
    return Image.fromarray(pixels[0].numpy() if len(pixels) == 1 else pixels.permute(1, 2, 0).numpy())
