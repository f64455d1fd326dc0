"""A user's own images: one folder for each class."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, final

import numpy as np
import torch
import torchvision
from PIL import Image, ImageOps
from pydantic import Field
from torch import Tensor
from torchvision.transforms.v2 import functional

from idc.data import RealData, from_bytes
from idc.errors import InputError
from idc.kinds import Dataset


@final
class ImageFolder(Dataset):
    """Images in ``<path>/<split>/<class>/…``, of any sizes, as torchvision's ``ImageFolder`` finds them.

    Each is scaled so that its shorter side is ``size`` and cropped to the centre; transparency is ignored.
    All are kept in memory. Folders whose names begin with a dot are passed over.
    """

    type: Literal["image-folder"] = "image-folder"
    path: Path
    """The dataset's folder; relative to ``--data``."""
    train: str = "train"
    """Folder of the training split within ``path``."""
    test: str = "test"
    """Folder of the test split within ``path``."""
    size: Annotated[int, Field(ge=1, le=4096)]
    """Pixels along each side."""
    channels: Literal[1, 3] = 3
    """1 for greyscale, 3 for colour; files of the other kind are converted."""
    mean: tuple[float, ...] | None = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: tuple[float, ...] | None = None

    def load(self, root: Path) -> RealData:
        """Both splits.

        Raises:
            InputError: a folder is absent or has no images, or the splits' classes differ.
        """
        train, train_classes = read_folders(root / self.path / self.train, self.size, self.channels)
        test, test_classes = read_folders(root / self.path / self.test, self.size, self.channels)
        if train_classes != test_classes:
            raise InputError(
                f"dataset.path: {self.train} and {self.test} in {root / self.path} have different classes "
                f"({', '.join(sorted(set(train_classes) ^ set(test_classes)))} are in one only)"
            )
        return from_bytes(train, test, train_classes, self.mean, self.std)


def read_folders(
    folder: Path, size: int, channels: int, classes: Sequence[str] | None = None
) -> tuple[tuple[Tensor, Tensor], tuple[str, ...]]:
    """Images in ``<folder>/<class>/…``, scaled and cropped.

    Args:
        folder: of a split.
        size: pixels along each side of the result.
        channels: 1 or 3.
        classes: names of the folders wanted, in the order of their labels; all, sorted, by default.

    Returns:
        Bytes (n, channels, size, size) and labels (n,), and the classes.

    Raises:
        InputError: the folder, a class or an image in it is absent, or a file is not a readable image.
    """
    if not folder.is_dir():
        raise InputError(
            f"dataset.path: there is no folder {folder}; expected are {folder}/<class>/<image>. Name the "
            "folder that path is in with --data, and a split of another name in [dataset], as in test = 'val'"
        )
    try:
        found = _Folders(folder, classes)
    except FileNotFoundError as error:
        reason = str(error).partition(" Supported")[0].rstrip(".")
        raise InputError(
            f"dataset.path: {reason} in {folder}; expected is {folder}/<class>/<image> with an image in "
            "every class"
        ) from None
    # Into one tensor, because a list of images and their stack would need the memory twice.
    pixels = torch.empty(len(found.samples), channels, size, size, dtype=torch.uint8)
    for position, (file, _) in enumerate(found.samples):
        pixels[position] = _pixels(Path(file), size, channels)
    return (pixels, torch.tensor(found.targets)), tuple(found.classes)


def _pixels(file: Path, size: int, channels: int) -> Tensor:
    try:
        with warnings.catch_warnings():
            # Where Pillow only warns, of a picture too large or damaged, there is no image worth having.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                image = _eight_bit(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"dataset.path: {file} is not a readable image ({error})") from None
    image = image.convert("L" if channels == 1 else "RGB")
    resized = functional.resize(functional.pil_to_tensor(image), [size], antialias=True)
    return functional.center_crop(resized, [size])


class _Folders(torchvision.datasets.ImageFolder):
    def __init__(self, folder: Path, classes: Sequence[str] | None) -> None:
        self._wanted = classes
        super().__init__(str(folder))

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        names = sorted(
            entry.name for entry in Path(directory).iterdir() if entry.is_dir() and entry.name[0] != "."
        )
        absent = [name for name in self._wanted or () if name not in names]
        if absent or not names:
            raise FileNotFoundError(f"no class {absent[0]}" if absent else "Found no class folder")
        names = list(self._wanted or names)
        return names, {name: label for label, name in enumerate(names)}


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        # Pillow's own conversion would cut off at 255 instead of scaling.
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(f"mode {image.mode}: its value range is unknown; save it with 8 or 16 bits")
    # Through RGBA, because a palette can have transparency that a direct conversion warns of.
    return image.convert("RGBA") if image.mode == "P" else image
