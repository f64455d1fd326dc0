"""The papers' small datasets, from the files that torchvision downloads."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import torch
import torchvision
from torch import Tensor

from idc.data import RealData, from_bytes
from idc.errors import InputError
from idc.kinds import Dataset


class Published(Dataset):
    """Base of the datasets that torchvision reads."""

    folder: ClassVar[str]
    """Where torchvision keeps the files, below ``--data``."""
    expected: ClassVar[str]
    """The files, for people."""

    mean: tuple[float, ...] | None = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: tuple[float, ...] | None = None

    @abstractmethod
    def read(self, root: Path, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Bytes (n, channels, height, width), labels (n,) and class names of a split."""

    def load(self, root: Path) -> RealData:
        """Both splits.

        Raises:
            InputError: the files are not below ``root``, or are not as published.
        """
        files = root / self.folder
        if not files.is_dir():
            raise InputError(
                f"dataset: there is no folder {files}; expected are there {self.expected}, as torchvision "
                "keeps them. Name the folder above with --data"
            )
        try:
            pixels, labels, classes = self.read(root, train=True)
            test_pixels, test_labels, _ = self.read(root, train=False)
        except ImportError as error:
            raise InputError(f"dataset: torchvision cannot read it ({error}); pip install scipy") from None
        except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
            raise InputError(
                f"dataset: not readable in {files} ({error}); fetch {self.expected} again"
            ) from None
        return from_bytes((pixels, labels), (test_pixels, test_labels), tuple(classes), self.mean, self.std)


@final
class MNIST(Published):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of handwritten digits."""

    folder = "MNIST/raw"
    expected = "train-images-idx3-ubyte and its three companions"

    type: Literal["mnist"] = "mnist"

    def read(self, root: Path, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
        """One channel."""
        return _grey(torchvision.datasets.MNIST(root, train=train))


@final
class FashionMNIST(Published):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of clothing."""

    folder = "FashionMNIST/raw"
    expected = "train-images-idx3-ubyte and its three companions"

    type: Literal["fashion-mnist"] = "fashion-mnist"

    def read(self, root: Path, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
        """One channel."""
        return _grey(torchvision.datasets.FashionMNIST(root, train=train))


@final
class CIFAR10(Published):
    """50,000 training and 10,000 test images of 32x32 pixels in colour, in 10 classes."""

    folder = "cifar-10-batches-py"
    expected = "data_batch_1 to data_batch_5 and test_batch"

    type: Literal["cifar10"] = "cifar10"

    def read(self, root: Path, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Three channels."""
        return _colour(torchvision.datasets.CIFAR10(root, train=train))


@final
class CIFAR100(Published):
    """50,000 training and 10,000 test images of 32x32 pixels in colour, in 100 classes."""

    folder = "cifar-100-python"
    expected = "train and test"

    type: Literal["cifar100"] = "cifar100"

    def read(self, root: Path, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Three channels."""
        return _colour(torchvision.datasets.CIFAR100(root, train=train))


@final
class SVHN(Published):
    """73,257 training and 26,032 test images of 32x32 pixels in colour: house numbers in 10 classes."""

    folder = "svhn"
    expected = "train_32x32.mat and test_32x32.mat"

    type: Literal["svhn"] = "svhn"

    def read(self, root: Path, *, train: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Three channels."""
        found = torchvision.datasets.SVHN(root / self.folder, split="train" if train else "test")
        return torch.from_numpy(found.data), torch.from_numpy(found.labels).long(), list("0123456789")


def _grey(found: Any) -> tuple[Tensor, Tensor, list[str]]:
    return found.data[:, None], found.targets, found.classes


def _colour(found: Any) -> tuple[Tensor, Tensor, list[str]]:
    pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(found.targets), found.classes
