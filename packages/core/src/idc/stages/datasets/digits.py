"""scikit-learn's handwritten digits: real data without a download."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, final

import numpy as np
import torch
from pydantic import Field
from torch import nn

from idc.kinds import ArrayExamples, InputError, RawDataset
from idc.stages.datasets.image_dataset import ImageDataset

TRAIN = 1437
"""Number of training images: the first four fifths."""


@final
class Digits(ImageDataset):
    """1,797 handwritten digits of 8x8 pixels (UCI optical recognition of handwritten digits, test part).

    The first 1,437 are for training and the last 360 for testing. scikit-learn orders them by writer, so most
    test digits are by writers who are not in the training split.
    """

    type: Literal["digits"] = "digits"
    size: Annotated[int, Field(ge=8, le=1024)] = 16  # pyright: ignore[reportIncompatibleVariableOverride]
    """Height and width in pixels, upsampled bilinearly from 8."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """Both splits, with one channel.

        Raises:
            InputError: scikit-learn is not installed.
        """
        if (found := find_spec("sklearn")) is None or found.origin is None:
            raise InputError(
                "dataset: 'digits' is part of scikit-learn, which is not installed; "
                "pip install 'idc-core[digits]'"
            )
        # Not by sklearn's load_digits, which takes as long to import as torch.
        table = np.loadtxt(Path(found.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
        small = torch.from_numpy(table[:, :-1].reshape(-1, 1, 8, 8)) / 16
        images = nn.functional.interpolate(small, size=self.size, mode="bilinear", align_corners=False)
        pixels = (images * 255).round().byte()
        labels = torch.from_numpy(table[:, -1]).long()
        return RawDataset(
            source="scikit-learn's digits",
            classes=tuple("0123456789"),
            train=ArrayExamples(pixels[:TRAIN], labels[:TRAIN]),
            test=ArrayExamples(pixels[TRAIN:], labels[TRAIN:]),
        )
