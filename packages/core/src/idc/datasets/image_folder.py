"""A user's own images: one folder for each class."""

from pathlib import Path
from typing import Annotated, Literal, final

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

    Each is scaled so that its shorter side is ``size`` and cropped to the centre. All are kept in memory.
    """

    type: Literal["image-folder"] = "image-folder"
    path: Path
    """The dataset's folder; relative to ``--data``."""
    train: str = "train"
    """Folder of the training split within ``path``."""
    test: str = "test"
    """Folder of the test split within ``path``."""
    size: Annotated[int, Field(ge=1)]
    """Pixels along each side."""
    channels: Literal[1, 3] = 3
    """1 for greyscale, 3 for colour."""

    def load(self, root: Path) -> RealData:
        """Both splits.

        Raises:
            InputError: a folder is absent or has no images, or the splits' classes differ.
        """
        train, train_classes = self._read(root / self.path / self.train)
        test, test_classes = self._read(root / self.path / self.test)
        if train_classes != test_classes:
            raise InputError(
                f"dataset.path: {self.train} and {self.test} in {root / self.path} have different classes "
                f"({', '.join(sorted(set(train_classes) ^ set(test_classes)))} are in one only)"
            )
        return from_bytes(train, test, tuple(train_classes))

    def _read(self, folder: Path) -> tuple[tuple[Tensor, Tensor], list[str]]:
        if not folder.is_dir():
            raise InputError(
                f"dataset.path: there is no folder {folder}; expected is {folder}/<class>/<image>. "
                "Name the folder it is in with --data"
            )
        try:
            found = torchvision.datasets.ImageFolder(str(folder))
        except FileNotFoundError as error:
            raise InputError(f"dataset.path: {error}; expected is {folder}/<class>/<image>") from None
        pixels = [self._pixels(Path(file)) for file, _ in found.samples]
        return (torch.stack(pixels), torch.tensor(found.targets)), found.classes

    def _pixels(self, file: Path) -> Tensor:
        try:
            with Image.open(file) as opened:
                image = ImageOps.exif_transpose(opened).convert("L" if self.channels == 1 else "RGB")
        except OSError as error:
            raise InputError(f"dataset.path: {file} is not a readable image ({error})") from None
        resized = functional.resize(functional.pil_to_tensor(image), [self.size], antialias=True)
        return functional.center_crop(resized, [self.size])
