"""Images and labels stored as arrays in a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, final

import numpy as np
import torch
from pydantic import Field
from safetensors import safe_open
from torch import Tensor

from idc.errors import first_line
from idc.kinds import ArrayExamples, InputError, RawDataset
from idc.stages.datasets.image_dataset import ImageDataset

NAMES = (("train_images", "train_labels"), ("images", "labels"), ("x_train", "y_train"))
"""Names of the training split's arrays, including those of MedMNIST and Keras."""
TEST_NAMES = (("test_images", "test_labels"), ("x_test", "y_test"))

Arrays = Mapping[str, Any]


@final
class Tensors(ImageDataset):
    """Images and labels in a ``.npz`` or ``.safetensors`` file.

    The arrays are named ``images`` and ``labels``; ``train_images``, ``train_labels``, ``test_images`` and
    ``test_labels``; or ``x_train``, ``y_train``, ``x_test`` and ``y_test``. Images are uint8, for values 0…1,
    or floats between ``low`` and ``high``, of shape (n, height, width), (n, channels, height, width) or
    (n, height, width, channels).
    """

    type: Literal["tensors"] = "tensors"
    path: Path
    """The file; relative to ``--data``."""
    test: Path | None = None
    """Another file for the test split, with arrays named like a training split's; by default the test split
    is in the same file. Ignored if `test_fraction` is set."""
    names: tuple[str, ...] | None = None
    """Class names in the order of their labels; by default the class numbers."""
    axes: Literal["nchw", "nhwc"] | None = None
    """Order of the axes; by default the channels are the axis of size 1 or 3, if only one is."""
    low: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Lowest value of float images."""
    high: float | None = 1.0
    """Highest value of float images."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """Both splits; ``.safetensors`` files are memory-mapped.

        Raises:
            InputError: a file or array does not exist, or does not hold images and labels.
        """
        file = root / self.path
        arrays = _read(file)
        train = self._examples(file, arrays, NAMES)
        test = None
        if self.test_fraction is None and self.test is not None:
            test = self._examples(root / self.test, _read(root / self.test), NAMES)
        elif self.test_fraction is None and _find_names(arrays, TEST_NAMES):
            test = self._examples(file, arrays, TEST_NAMES)
        labels = torch.cat([each.labels for each in (train, test) if each is not None])
        classes = self.names or tuple(map(str, range(int(labels.max()) + 1 if len(labels) else 0)))
        bytes_ = train.pixels.dtype == torch.uint8
        return RawDataset(
            source=str(file),
            classes=classes,
            train=train,
            test=test,
            low=0.0 if bytes_ else self.low,
            high=1.0 if bytes_ else self.high,
        )

    def _examples(self, file: Path, arrays: Arrays, names: tuple[tuple[str, str], ...]) -> ArrayExamples:
        found = _find_names(arrays, names)
        if found is None:
            allowed = ", or ".join(" and ".join(pair) for pair in names)
            raise InputError(
                f"dataset.path: {file} has the arrays {', '.join(arrays) or 'none'}; it needs {allowed}"
            )
        try:
            pixels = self._pixels(_tensor(arrays[found[0]]))
            labels = _labels(_tensor(arrays[found[1]]))
        except ValueError as error:
            raise InputError(f"dataset.path: {file}: {first_line(error)}") from None
        if len(pixels) != len(labels):
            raise InputError(
                f"dataset.path: {file}: {found[0]} has {len(pixels)} images, but {found[1]} has "
                f"{len(labels)} labels; there must be one label per image"
            )
        return ArrayExamples(pixels, labels)

    def _pixels(self, images: Tensor) -> Tensor:
        if images.ndim not in (3, 4):
            raise ValueError(
                f"images have the shape {tuple(images.shape)}; it must be (n, height, width), with channels "
                "after n or at the end, or without"
            )
        last = images.ndim == 4 and (self.axes or _guessed(images)) == "nhwc"
        arranged = images[:, None] if images.ndim == 3 else images.movedim(3, 1) if last else images
        if arranged.dtype == torch.uint8:
            return arranged.contiguous()
        if not arranged.is_floating_point():
            raise ValueError(
                f"images are {str(images.dtype).removeprefix('torch.')}; they must be uint8 or floats"
            )
        if not len(arranged):
            raise ValueError("there are no images")
        # NaN are counted when the images are prepared.
        lowest, highest = (float(end) for end in arranged.nan_to_num(self.low, self.low, self.low).aminmax())
        if lowest < self.low or (self.high is not None and highest > self.high):
            allowed = f"{self.low:g} to {'any' if self.high is None else f'{self.high:g}'}"
            raise ValueError(
                f"images have values from {lowest:g} to {highest:g}; allowed are {allowed}. Undo their "
                "normalisation, or set dataset.low and dataset.high to their value range"
            )
        return arranged.float().contiguous()


def _read(file: Path) -> Arrays:
    try:
        if file.suffix == ".npz":
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
                known = {name for pair in (*NAMES, *TEST_NAMES) for name in pair}
                return {name: arrays[name] if name in known else None for name in arrays}
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise InputError(f"dataset.path: there is no file {file}; pass its folder with --data") from None
    # Damaged archives raise many kinds of exceptions, including those of the decompression.
    except Exception as error:
        raise InputError(
            f"dataset.path: {file} cannot be read ({first_line(error)}); it may be damaged or truncated: "
            "copy or create it again"
        ) from None
    raise InputError(f"dataset.path: {file} must end in .npz or .safetensors")


def _find_names(arrays: Arrays, names: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    return next((pair for pair in names if all(name in arrays for name in pair)), None)


def _tensor(array: Any) -> Tensor:
    return array if isinstance(array, Tensor) else torch.from_numpy(np.ascontiguousarray(array))


def _labels(labels: Tensor) -> Tensor:
    if labels.is_floating_point() or labels.is_complex() or labels.numel() != len(labels):
        raise ValueError(
            f"labels are {str(labels.dtype).removeprefix('torch.')} of shape {tuple(labels.shape)}; they "
            "must be whole numbers, one per image"
        )
    return labels.flatten().long()


def _guessed(images: Tensor) -> str:
    first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
    if first == last:
        raise ValueError(
            f"images of shape {tuple(images.shape)}: the channel axis is ambiguous; set dataset.axes to "
            '"nchw" or "nhwc"'
        )
    return "nchw" if first else "nhwc"
