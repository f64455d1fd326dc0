"""Datasets of the Hugging Face library ``datasets``, from disk."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, final

import torch

from idc.errors import first_line
from idc.kinds import Example, Examples, InputError, Labels, RawDataset
from idc.stages.datasets.image_dataset import ImageDataset, from_picture

IMAGES = ("image", "img")
"""Default names of the image column; the first that exists is used."""
LABELS = ("label", "labels", "fine_label")
"""Default names of the label column."""


@final
class HuggingFace(ImageDataset):
    """A dataset saved by the Hugging Face library ``datasets``.

    Nothing is downloaded; first run ``datasets.load_dataset(name).save_to_disk(path)``.
    """

    type: Literal["hugging-face"] = "hugging-face"
    path: Path
    """Folder of the saved dataset; relative to ``--data``."""
    train: str = "train"
    """Name of the training split."""
    test: str = "test"
    """Name of the test split; ignored if `test_fraction` is set."""
    image_column: str | None = None
    """Column of the images; by default ``image`` or ``img``."""
    label_column: str | None = None
    """Column of the labels; by default ``label``, ``labels`` or ``fine_label``."""
    channels: Literal[1, 3] | None = 3
    """1 for greyscale, 3 for colour; images are converted."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """Both splits; no image is read yet.

        Raises:
            InputError: the library is not installed, the folder is not a saved dataset, or a split or column
                does not exist.
        """
        folder = root / self.path
        splits = _opened(folder)
        train = self._examples(folder, splits, self.train)
        test = None
        # A missing test split is reported by `select`, whose message suggests test_fraction.
        if self.test_fraction is None and len(splits) > 1:
            test = self._examples(folder, splits, self.test)
            if test.classes != train.classes:
                raise InputError(
                    f"dataset.test: the splits {self.test!r} and {self.train!r} in {folder} must have the "
                    f"same classes in the same order; {self.test!r} has {', '.join(test.classes)}"
                )
        return RawDataset(source=str(folder), classes=train.classes, train=train, test=test)

    def _examples(self, folder: Path, splits: dict[str, Any], name: str) -> "ArrowExamples":
        if name not in splits:
            raise InputError(
                f"dataset: there is no split {name!r} in {folder}; its splits are {', '.join(splits)}"
            )
        columns = splits[name].column_names
        image, label = (
            next((each for each in wanted if each in columns), None)
            for wanted in (
                (self.image_column,) if self.image_column else IMAGES,
                (self.label_column,) if self.label_column else LABELS,
            )
        )
        if image is None or label is None:
            what = "label" if image else "image"
            raise InputError(
                f"dataset.{what}_column: set it to the column of the {what}s; split {name!r} in {folder} has "
                f"the columns {', '.join(columns)}"
            )
        return ArrowExamples(splits[name], image, label, self.channels)


class ArrowExamples(Examples):
    """Rows of a table on disk.

    Args:
        rows: a ``datasets.Dataset``.
        image: name of the image column.
        label: name of the label column.
        channels: 1, 3, or None for those of each image.
    """

    def __init__(self, rows: Any, image: str, label: str, channels: int | None) -> None:
        super().__init__(_labels(rows, label))
        names = getattr(rows.features[label], "names", None)
        count = int(self.labels.max()) + 1 if len(rows) else 0
        self.classes: tuple[str, ...] = tuple(names or map(str, range(count)))
        self._rows = rows.select_columns([image])
        self._image = image
        self._channels = channels

    def read(self, position: int) -> Example:
        """The decoded image."""
        return from_picture(self._rows[position][self._image], self._channels)

    def name(self, position: int) -> str:
        """The image's number."""
        return f"image {position}"

    def identity(self, positions: Iterable[int]) -> Iterator[str]:
        """The library's fingerprint of the table, its files, and the positions."""
        yield f"{self._rows._fingerprint} {self._rows.cache_files}"
        yield from map(str, positions)


def _opened(folder: Path) -> dict[str, Any]:
    try:
        import datasets
    except ImportError:
        raise InputError(
            "dataset: 'hugging-face' needs the library datasets, which is not installed; "
            "pip install 'idc-core[hugging-face]'"
        ) from None
    try:
        found = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"dataset.path: {folder} is not a saved dataset ({first_line(error)}); create it with "
            "datasets.load_dataset(name).save_to_disk(path), and pass its parent with --data"
        ) from None
    if isinstance(found, datasets.DatasetDict):
        return {str(name): rows for name, rows in found.items()}
    return {"train": found}


def _labels(rows: Any, label: str) -> Labels:
    numbers = rows[label][:]
    if not all(isinstance(each, int) for each in numbers):
        raise InputError(
            f"dataset.label_column: {label!r} contains {numbers[0]!r}, but labels must be whole numbers; set "
            "another column, or convert it with rows.class_encode_column"
        )
    return torch.tensor(numbers, dtype=torch.int64)
