"""The papers' small datasets, from the files that torchvision downloads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, final

import torch
import torchvision
from torch import Tensor

from idc.data import RealData, from_bytes
from idc.errors import InputError
from idc.kinds import Dataset

Statistic = tuple[float, ...] | None
Read = Callable[[str, bool], tuple[Tensor, Tensor, tuple[str, ...]]]
"""From the folder and whether the training split is wanted to pixels, labels and class names."""


@final
class MNIST(Dataset):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of handwritten digits."""

    type: Literal["mnist"] = "mnist"
    mean: Statistic = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: Statistic = None

    def load(self, root: Path) -> RealData:
        """Both splits, one channel.

        Raises:
            InputError: the files are not below ``root``.
        """
        expected = "train-images-idx3-ubyte and its three companions"
        return _load(root, "MNIST/raw", expected, _grey(torchvision.datasets.MNIST), self.mean, self.std)


@final
class FashionMNIST(Dataset):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of clothing."""

    type: Literal["fashion-mnist"] = "fashion-mnist"
    mean: Statistic = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: Statistic = None

    def load(self, root: Path) -> RealData:
        """Both splits, one channel.

        Raises:
            InputError: the files are not below ``root``.
        """
        expected = "train-images-idx3-ubyte and its three companions"
        read = _grey(torchvision.datasets.FashionMNIST)
        return _load(root, "FashionMNIST/raw", expected, read, self.mean, self.std)


@final
class CIFAR10(Dataset):
    """50,000 training and 10,000 test images of 32x32 pixels in colour, in 10 classes."""

    type: Literal["cifar10"] = "cifar10"
    mean: Statistic = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: Statistic = None

    def load(self, root: Path) -> RealData:
        """Both splits, three channels.

        Raises:
            InputError: the files are not below ``root``.
        """
        expected = "data_batch_1 to data_batch_5 and test_batch"
        read = _colour(torchvision.datasets.CIFAR10)
        return _load(root, "cifar-10-batches-py", expected, read, self.mean, self.std)


@final
class CIFAR100(Dataset):
    """50,000 training and 10,000 test images of 32x32 pixels in colour, in 100 classes."""

    type: Literal["cifar100"] = "cifar100"
    mean: Statistic = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: Statistic = None

    def load(self, root: Path) -> RealData:
        """Both splits, three channels.

        Raises:
            InputError: the files are not below ``root``.
        """
        read = _colour(torchvision.datasets.CIFAR100)
        return _load(root, "cifar-100-python", "train and test", read, self.mean, self.std)


@final
class SVHN(Dataset):
    """73,257 training and 26,032 test images of 32x32 pixels in colour: house numbers in 10 classes."""

    type: Literal["svhn"] = "svhn"
    mean: Statistic = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: Statistic = None

    def load(self, root: Path) -> RealData:
        """Both splits, three channels.

        Raises:
            InputError: the files are not below ``root``.
        """
        return _load(root, "svhn", "train_32x32.mat and test_32x32.mat", _svhn, self.mean, self.std)


def _load(root: Path, folder: str, expected: str, read: Read, mean: Statistic, std: Statistic) -> RealData:
    files = root / folder
    if not files.is_dir():
        raise InputError(
            f"dataset: there is no folder {files}; expected are there {expected}, as torchvision keeps them. "
            "Name the folder above with --data"
        )
    try:
        (train, train_labels, classes), (test, test_labels, _) = (
            read(str(files if folder == "svhn" else root), train) for train in (True, False)
        )
    except ImportError as error:
        raise InputError(
            f"dataset: torchvision cannot read it without scipy ({error}); install that"
        ) from None
    except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
        raise InputError(f"dataset: not readable in {files} ({error}); fetch {expected} again") from None
    return from_bytes((train, train_labels), (test, test_labels), classes, mean, std)


def _grey(kind: Any) -> Read:
    def read(root: str, train: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        found = kind(root, train=train)
        return found.data[:, None], found.targets, tuple(found.classes)

    return read


def _colour(kind: Any) -> Read:
    def read(root: str, train: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
        found = kind(root, train=train)
        pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
        return pixels, torch.tensor(found.targets), tuple(found.classes)

    return read


def _svhn(root: str, train: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    found = torchvision.datasets.SVHN(root, split="train" if train else "test")
    return torch.from_numpy(found.data), torch.from_numpy(found.labels).long(), tuple("0123456789")
