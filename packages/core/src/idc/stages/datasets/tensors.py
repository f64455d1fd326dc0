"""Images and labels that are arrays in a file."""

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
"""What the arrays of the training split may be called, as in MedMNIST's and Keras's files."""
TEST_NAMES = (("test_images", "test_labels"), ("x_test", "y_test"))

Arrays = Mapping[str, Any]


@final
class Tensors(ImageDataset):
    """Images and labels in a ``.npz`` or ``.safetensors`` file.

    Arrays are called ``images`` and ``labels``; ``train_images``, ``train_labels``, ``test_images`` and
    ``test_labels``; or ``x_train``, ``y_train``, ``x_test`` and ``y_test``. Images are bytes, for values 0…1,
    or floats between ``low`` and ``high``; (n, height, width), with channels after n or at the end.
    """

    type: Literal["tensors"] = "tensors"
    path: Path
    """The file; relative to ``--data``."""
    test: Path | None = None
    """Another file with the test split, whose arrays are called like a training split's; by default they are
    in the same file, unless `test_fraction` is given."""
    names: tuple[str, ...] | None = None
    """Names of the classes in the order of their labels; by default their numbers."""
    axes: Literal["nchw", "nhwc"] | None = None
    """Where the channels are; by default the axis of 1 or 3, if there is only one such."""
    low: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    """Lowest value of images that are floats."""
    high: float | None = 1.0
    """Highest, likewise."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """Both splits; those of a ``.safetensors`` file are mapped, not read.

        Raises:
            InputError: a file or an array in it is absent, or is not as it should be.
        """
        file = root / self.path
        arrays = _read(file)
        train = self._examples(file, arrays, NAMES)
        test = None
        if self.test_fraction is None and self.test is not None:
            test = self._examples(root / self.test, _read(root / self.test), NAMES)
        elif self.test_fraction is None and _called(arrays, TEST_NAMES):
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
        called = _called(arrays, names)
        if called is None:
            wanted = ", or ".join(" and ".join(pair) for pair in names)
            raise InputError(
                f"dataset.path: {file} has the arrays {', '.join(arrays) or 'none'}; needed are {wanted}"
            )
        try:
            pixels = self._pixels(_tensor(arrays[called[0]]))
            labels = _labels(_tensor(arrays[called[1]]))
        except ValueError as error:
            raise InputError(f"dataset.path: {file}: {first_line(error)}") from None
        if len(pixels) != len(labels):
            raise InputError(
                f"dataset.path: {file}: {called[0]} has {len(pixels)} images, but {called[1]} {len(labels)} "
                "labels; there must be one for each"
            )
        return ArrayExamples(pixels, labels)

    def _pixels(self, images: Tensor) -> Tensor:
        if images.ndim not in (3, 4):
            raise ValueError(
                f"images of shape {tuple(images.shape)}; needed is (n, height, width), or with channels"
            )
        last = images.ndim == 4 and (self.axes or _guessed(images)) == "nhwc"
        arranged = images[:, None] if images.ndim == 3 else images.movedim(3, 1) if last else images
        if arranged.dtype == torch.uint8:
            return arranged.contiguous()
        if not arranged.is_floating_point():
            raise ValueError(
                f"images of {str(images.dtype).removeprefix('torch.')}; needed are bytes (uint8) or floats"
            )
        if not len(arranged):
            raise ValueError("there are no images")
        # NaN are left to whoever counts them.
        lowest, highest = (float(end) for end in arranged.nan_to_num(self.low, self.low, self.low).aminmax())
        if lowest < self.low or (self.high is not None and highest > self.high):
            allowed = f"{self.low:g} to {'any' if self.high is None else f'{self.high:g}'}"
            raise ValueError(
                f"images have values from {lowest:g} to {highest:g}, but allowed are {allowed}; undo their "
                "normalisation, or set dataset.low and dataset.high to what values can be"
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
        raise InputError(
            f"dataset.path: there is no file {file}; name the folder it is in with --data"
        ) from None
    # Damaged archives fail in many ways, in the decompression too.
    except Exception as error:
        raise InputError(f"dataset.path: {file} cannot be read ({first_line(error)}); is it whole?") from None
    raise InputError(f"dataset.path: {file} must end in .npz or .safetensors")


def _called(arrays: Arrays, names: tuple[tuple[str, str], ...]) -> tuple[str, str] | None:
    return next((pair for pair in names if all(name in arrays for name in pair)), None)


def _tensor(array: Any) -> Tensor:
    return array if isinstance(array, Tensor) else torch.from_numpy(np.ascontiguousarray(array))


def _labels(labels: Tensor) -> Tensor:
    if labels.is_floating_point() or labels.is_complex() or labels.numel() != len(labels):
        raise ValueError(
            f"labels of {str(labels.dtype).removeprefix('torch.')} and shape {tuple(labels.shape)}; needed "
            "are whole numbers, one for each image"
        )
    return labels.flatten().long()


def _guessed(images: Tensor) -> str:
    first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
    if first == last:
        raise ValueError(
            f"images of shape {tuple(images.shape)}: which axis is the channels cannot be told; set "
            'dataset.axes = "nchw" or "nhwc"'
        )
    return "nchw" if first else "nhwc"
