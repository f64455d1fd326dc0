"""Image files in one folder per class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, final

from PIL import Image

from idc.kinds import Example, FileExamples, InputError, RawDataset
from idc.stages.datasets.folders import files_by_class
from idc.stages.datasets.image_dataset import ImageDataset, from_picture

ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff")
ENDINGS += (".webp",)
"""Of image file names, in lower case; of animations, the first frame is used."""


class Folders(ImageDataset):
    """Base class of datasets that are folders of images."""

    path: Path
    """The dataset's folder; relative to ``--data``."""
    train: str = "train"
    """Folder of the training split within ``path``; ``"."`` if the class folders are in ``path`` itself."""
    test: str = "test"
    """Folder of the test split within ``path``; ignored if `test_fraction` is set."""
    channels: Literal[1, 3] | None = 3
    """1 for greyscale, 3 for colour; images are converted."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """The files of both splits.

        Raises:
            InputError: a folder does not exist or has no images, or the splits' classes differ.
        """
        folder = root / self.path
        train = self._files(folder / self.train, self.wanted_classes())
        classes = tuple(train)
        test = None
        if self.test_fraction is None:
            test = self._files(folder / self.test, self.wanted_classes())
            if tuple(test) != classes:
                differing = ", ".join(sorted(set(classes) ^ set(test)))
                raise InputError(
                    f"dataset.path: {self.train} and {self.test} in {folder} have different classes "
                    f"({differing} only in one of them); select common classes with dataset.classes"
                )
        return RawDataset(
            source=str(folder),
            classes=classes,
            train=FileExamples.by_class(train, self._decoded),
            test=None if test is None else FileExamples.by_class(test, self._decoded),
        )

    def _files(self, folder: Path, wanted: Sequence[str] | None) -> dict[str, list[Path]]:
        if not folder.is_dir():
            raise InputError(
                f"dataset.path: there is no folder {folder}; expected {folder}/<class>/<image>. Pass the "
                "parent of dataset.path with --data; set the names of the splits' folders in [dataset], such "
                "as test = 'val'; or, if there are no splits, set train = '.' and test_fraction = 0.2"
            )
        return files_by_class(folder, ENDINGS, wanted, "image")

    def _decoded(self, file: Path) -> Example:
        with Image.open(file) as opened:
            return from_picture(opened, self.channels)


@final
class ImageFolder(Folders):
    """Images below ``<path>/<split>/<class>``, at any depth: files whose names end in one of `ENDINGS`.

    They are read once, in parallel, and cached. Transparency is ignored. Names that begin with a dot are
    skipped, and links are followed.
    """

    type: Literal["image-folder"] = "image-folder"
