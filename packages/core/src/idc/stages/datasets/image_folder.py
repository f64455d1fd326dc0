"""A user's own images: one folder for each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, final

from PIL import Image

from idc.kinds import Example, FileExamples, InputError, RawDataset
from idc.stages.datasets.folders import files_by_class
from idc.stages.datasets.image_dataset import ImageDataset, from_picture

ENDINGS = (".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff")
ENDINGS += (".webp",)
"""Of the names of images, in lower case; of those that move, the first picture is taken."""


class Folders(ImageDataset):
    """Base of the datasets that are folders of images."""

    path: Path
    """The dataset's folder; relative to ``--data``."""
    train: str = "train"
    """Folder of the training split within ``path``; ``"."`` where the classes are in ``path`` itself."""
    test: str = "test"
    """Folder of the test split within ``path``; not looked at where `test_fraction` is given."""
    channels: Literal[1, 3] | None = 3
    """1 for greyscale, 3 for colour: files of the other kind are converted."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """The files of both splits.

        Raises:
            InputError: a folder is absent or has no images, or the splits' classes differ.
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
                    f"({differing} are in one only); name those wanted in dataset.classes"
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
                f"dataset.path: there is no folder {folder}; expected are {folder}/<class>/<image>. Name the "
                "folder that path is in with --data, and a split of another name in [dataset], as in "
                "test = 'val'. Where images are not split, set train = '.' and test_fraction = 0.2"
            )
        return files_by_class(folder, ENDINGS, wanted, "image")

    def _decoded(self, file: Path) -> Example:
        with Image.open(file) as opened:
            return from_picture(opened, self.channels)


@final
class ImageFolder(Folders):
    """Images in ``<path>/<split>/<class>/…``, nested or not: files whose names end in one of `ENDINGS`.

    They are read in parallel once and kept in the cache folder. Transparency is ignored. Names that begin
    with a dot are passed over, and links are followed.
    """

    type: Literal["image-folder"] = "image-folder"
