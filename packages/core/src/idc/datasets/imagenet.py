"""The ImageNet subsets that IDC condenses."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, final

from pydantic import Field

from idc.data import RealData, from_bytes
from idc.datasets.image_folder import read_folders
from idc.errors import InputError
from idc.kinds import Dataset

CLASSES = "imagenet-100.txt"
"""Package data: the 100 class identifiers in IDC's order, of which the first ten are its ImageNet-10."""


@final
class ImageNet(Dataset):
    """ImageNet-10 and ImageNet-100 of the IDC paper, or any classes, from the usual folders of images.

    Images are kept in memory as bytes: 2 GB for 10 classes at 224 pixels, 20 GB for 100.
    """

    type: Literal["imagenet"] = "imagenet"
    path: Path = Path("imagenet")
    """The folder with ``train/<class>/…`` and ``val/<class>/…``; relative to ``--data``."""
    classes: Literal[10, 100] | tuple[str, ...] = 10
    """The first so many of IDC's, or class identifiers such as ``n02077923``."""
    size: Annotated[int, Field(ge=1, le=4096)] = 224
    """Pixels along each side."""
    mean: tuple[float, ...] | None = (0.485, 0.456, 0.406)
    """For normalisation, one for each channel."""
    std: tuple[float, ...] | None = (0.229, 0.224, 0.225)

    def load(self, root: Path) -> RealData:
        """Both splits, three channels; the validation images are the test split.

        Raises:
            InputError: a folder or class is absent, or a file is not a readable image.
        """
        names = self.classes
        if isinstance(names, int):
            names = tuple(files("idc.datasets").joinpath(CLASSES).read_text().split()[:names])
        try:
            train, test = (
                read_folders(root / self.path / split, self.size, 3, names)[0] for split in ("train", "val")
            )
        except InputError as error:
            raise InputError(
                f"{error}. Classes are IDC's first ten, or those named in dataset.classes"
            ) from None
        return from_bytes(train, test, names, self.mean, self.std)
