"""Tiny ImageNet, as its archive unpacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, final

from PIL import Image

from idc.errors import suggestion
from idc.kinds import Example, FileExamples, InputError, RawDataset
from idc.stages.datasets.folders import files_by_class
from idc.stages.datasets.image_dataset import ImageDataset, from_picture

REMEDY = "unpack tiny-imagenet-200.zip again"


@final
class TinyImageNet(ImageDataset):
    """200 classes of ImageNet at 64x64 pixels: 500 training and 50 test images each, from CS231n at Stanford.

    Test images are those of ``val``, because ``test`` has no labels. Classes are named by their WordNet
    identifiers, and labelled in the order of these, sorted, as a folder per class would be.
    """

    type: Literal["tiny-imagenet"] = "tiny-imagenet"
    path: Path = Path("tiny-imagenet-200")
    """The unpacked archive, with ``wnids.txt``, ``train`` and ``val``; relative to ``--data``."""
    channels: Literal[1, 3] | None = 3
    """1 for greyscale, 3 for colour; images are converted, because some files are grey."""
    mean: tuple[float, ...] | None = (0.485, 0.456, 0.406)
    """Mean of each channel, for normalisation: ImageNet's, as in the codes of MTT, DREAM, DANCE and NCFM."""
    std: tuple[float, ...] | None = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, for normalisation, from the same codes."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """The files of both splits.

        Raises:
            InputError: a file or folder of the archive is missing or damaged, or there is no such class.
        """
        folder = root / self.path
        known = sorted(set(_lines(folder / "wnids.txt")))
        classes = self.classes or tuple(known)
        for name in classes:
            if name not in known:
                raise InputError(
                    f"dataset.classes: there is no class {name!r} in {folder / 'wnids.txt'}"
                    f"{suggestion(name, known)}; allowed are its {len(known)} identifiers"
                )
        test = None if self.test_fraction is not None else self._test_files(folder / "val", classes)
        return RawDataset(
            source=str(folder),
            classes=classes,
            train=FileExamples.by_class(_train_files(folder / "train", classes), self._decoded),
            test=None if test is None else FileExamples.by_class(test, self._decoded),
        )

    def _test_files(self, folder: Path, classes: Sequence[str]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {name: [] for name in classes}
        annotations = folder / "val_annotations.txt"
        for number, line in enumerate(_lines(annotations), 1):
            # A file, its class, and a box around the object.
            file, _, rest = line.partition("\t")
            name = rest.split("\t")[0]
            if not name:
                raise InputError(
                    f"dataset.path: line {number} of {annotations} is {line[:40]!r}; expected a file and its "
                    f"class, separated by a tab; {REMEDY}"
                )
            if name in found:
                found[name].append(folder / "images" / file)
        empty = [name for name, listed in found.items() if not listed]
        if empty:
            raise InputError(
                f"dataset.path: {annotations} has no images of {len(empty)} classes, such as {empty[0]!r}; "
                f"{REMEDY}, or set dataset.test_fraction"
            )
        return found

    def _decoded(self, file: Path) -> Example:
        with Image.open(file) as opened:
            return from_picture(opened, self.channels)


def _train_files(folder: Path, classes: Sequence[str]) -> dict[str, list[Path]]:
    absent = [name for name in classes if not (folder / name).is_dir()]
    if absent:
        raise InputError(
            f"dataset.path: {len(absent)} of {len(classes)} classes have no folder in {folder}, such as "
            f"{absent[0]}; {REMEDY}, or select other classes with dataset.classes"
        )
    return files_by_class(folder, (".jpeg",), classes, "image")


def _lines(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(
            f"dataset.path: {file} cannot be read ({reason}); expected tiny-imagenet-200.zip unpacked, with "
            "wnids.txt, train/<class>/images/*.JPEG, val/images/*.JPEG and val/val_annotations.txt. Pass "
            "the folder above dataset.path with --data; for val sorted into a folder per class, set "
            "dataset.type = 'image-folder' and dataset.test = 'val'"
        ) from None
    return [line for line in lines if line.strip()]
