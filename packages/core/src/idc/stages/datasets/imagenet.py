"""The ImageNet subsets of the IDC paper."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, final

from pydantic import Field

from idc.stages.datasets.image_folder import Folders

CLASSES = "imagenet-100.txt"
"""Package data: IDC's 100 class identifiers, in its order; the first ten are ImageNet-10."""


@final
class ImageNet(Folders):
    """ImageNet-10 and ImageNet-100 of the IDC paper, or any other classes, from the usual image folders.

    Images are read once and cached: 2 GB for 10 classes at 224 pixels, 20 GB for 100.
    """

    type: Literal["imagenet"] = "imagenet"
    path: Path = Path("imagenet")
    """The folder with ``train/<class>/…`` and ``val/<class>/…``; relative to ``--data``."""
    test: str = "val"
    """Folder of the test split within ``path``: ImageNet's validation images."""
    classes: Literal[10, 100] | tuple[str, ...] = 10  # pyright: ignore[reportIncompatibleVariableOverride]
    """10 or 100 for the first classes of IDC's list, or class identifiers such as ``n02077923``."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = 224
    """Height and width in pixels."""
    mean: tuple[float, ...] | None = (0.485, 0.456, 0.406)
    """Mean of each channel, for normalisation."""
    std: tuple[float, ...] | None = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, for normalisation."""

    def wanted_classes(self) -> tuple[str, ...]:
        """The class identifiers."""
        if not isinstance(self.classes, int):
            return self.classes
        return tuple(files("idc.stages.datasets").joinpath(CLASSES).read_text().split()[: self.classes])
