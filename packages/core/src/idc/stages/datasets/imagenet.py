"""The ImageNet subsets that IDC condenses."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, final

from pydantic import Field

from idc.stages.datasets.image_folder import Folders

CLASSES = "imagenet-100.txt"
"""Package data: the 100 class identifiers in IDC's order, of which the first ten are its ImageNet-10."""


@final
class ImageNet(Folders):
    """ImageNet-10 and ImageNet-100 of the IDC paper, or any classes, from the usual folders of images.

    They are read once and kept in the cache folder: 2 GB for 10 classes at 224 pixels, 20 GB for 100.
    """

    type: Literal["imagenet"] = "imagenet"
    path: Path = Path("imagenet")
    """The folder with ``train/<class>/…`` and ``val/<class>/…``; relative to ``--data``."""
    test: str = "val"
    """Folder of the test split within ``path``: ImageNet's validation images."""
    classes: Literal[10, 100] | tuple[str, ...] = 10  # pyright: ignore[reportIncompatibleVariableOverride]
    """The first so many of IDC's, or class identifiers such as ``n02077923``."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = 224
    """Pixels along each side."""
    mean: tuple[float, ...] | None = (0.485, 0.456, 0.406)
    """For normalisation, one for each channel."""
    std: tuple[float, ...] | None = (0.229, 0.224, 0.225)
    """Standard deviation, likewise."""

    def wanted_classes(self) -> tuple[str, ...]:
        """The identifiers."""
        if not isinstance(self.classes, int):
            return self.classes
        return tuple(files("idc.stages.datasets").joinpath(CLASSES).read_text().split()[: self.classes])
