"""The image format of a dataset; stored in a synset so that it can be used on its own."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from idc.table import Table

Size = Annotated[int, Field(ge=1, le=65_536)]
Content = Literal["picture", "spectrogram"]


class ImageSpec(Table):
    """Shape, classes, value range and normalisation of a dataset's images."""

    channels: Size
    height: Size
    width: Size
    classes: tuple[str, ...] = Field(min_length=1, max_length=1_000_000)
    """Class names, in the order of the labels."""
    content: Content = "picture"
    """What an image shows; a spectrogram has frequency along its height, lowest first, and time along its
    width."""
    low: float = 0.0
    """Lowest value of a pixel, before normalisation."""
    high: float | None = 1.0
    """Highest value of a pixel; absent if unbounded (log spectrograms)."""
    mean: tuple[float, ...]
    """Mean of each channel over the training images, in the units of `low` and `high`."""
    std: tuple[float, ...]
    """Standard deviation of each channel over the training images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    @property
    def fits_pictures(self) -> bool:
        """Whether 8-bit pictures can hold such images: 1 or 3 channels, and bounded values."""
        return self.channels in (1, 3) and self.high is not None

    def folder_names(self) -> tuple[str, ...]:
        """A unique folder name for each class, valid on any system and close to the class name."""
        cleaned = [re.sub(r"[^\w .()+-]", "_", name)[:100].strip(". ") for name in self.classes]
        return tuple(
            name if name and cleaned.count(name) == 1 else f"{label:04d}-{name}"
            for label, name in enumerate(cleaned)
        )

    @model_validator(mode="after")
    def _one_statistic_for_each_channel(self) -> Self:
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(
                f"mean has {len(self.mean)} values and std has {len(self.std)}; "
                f"both need {self.channels}, one per channel"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std {self.std} must be positive in every channel")
        return self
