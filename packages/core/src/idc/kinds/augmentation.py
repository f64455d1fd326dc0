"""The kind of stage that augments images."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from torch import Generator

    from idc.shapes import Draw, Images


class Augmentation(Stage):
    """A differentiable augmentation, split into drawing parameters and applying them.

    Matching draws once and applies the draw to real and synthetic images alike (siamese augmentation);
    training draws for each image.
    """

    group: ClassVar[str] = "idc.augmentations"

    space: ClassVar[Literal["unit", "normalised"]] = "normalised"
    """Whether `apply` expects images from 0 to 1, to which the dataset's range is brought unless its values
    are unbounded, or normalised by mean and std."""

    @abstractmethod
    def draw(self, count: int, shape: tuple[int, int, int], generator: "Generator") -> "Draw":
        """Random parameters.

        Args:
            count: 1 for a siamese draw, else the number of images.
            shape: (channels, height, width).
            generator: the only source of randomness.

        Returns:
            Tensors whose first axis is ``count``, on the CPU. Their names, shapes and types depend on the
            stage's fields alone: an operation that is applied at random is applied through a mask.
        """

    @abstractmethod
    def apply(self, images: "Images", draw: "Draw") -> "Images":
        """Transform images; a pure, twice differentiable function of them.

        Args:
            images: (n, channels, height, width) in `space`.
            draw: what `draw` returned, for n images or for one, which then holds for all.

        Returns:
            Images of the same shape.
        """
