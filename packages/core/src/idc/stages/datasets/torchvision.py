"""The papers' small datasets, read by torchvision."""

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import torch
import torchvision
from torch import Tensor

from idc.errors import first_line
from idc.kinds import ArrayExamples, InputError, RawDataset
from idc.stages.datasets.image_dataset import ImageDataset


class TorchvisionDataset(ImageDataset):
    """Base class of datasets that torchvision reads."""

    folder: ClassVar[str]
    """Torchvision's folder of the files, below ``--data``."""
    expected: ClassVar[str]
    """The names of the files, for messages."""

    @abstractmethod
    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Images (n, channels, height, width) as uint8, labels (n,) and class names of a split."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """Both splits.

        Raises:
            InputError: the files are not below ``root`` and are not or cannot be downloaded, or are damaged.
        """
        files = root / self.folder
        if not (download or files.is_dir()):
            raise InputError(
                f"dataset: there is no folder {files}; expected torchvision's files {self.expected} in it. "
                f"Pass the folder above {self.folder} with --data, or download them with --download"
            )
        try:
            pixels, labels, classes = self.read(root, train=True, download=download)
            test_pixels, test_labels, _ = self.read(root, train=False, download=download)
        except ImportError as error:
            raise InputError(f"dataset: torchvision cannot read it ({error}); pip install scipy") from None
        except (RuntimeError, OSError, ValueError, EOFError, KeyError) as error:
            remedy = "put them there by hand" if download else "download them again with --download"
            raise InputError(
                f"dataset: the files in {files} cannot be read ({first_line(error)}); "
                f"expected {self.expected}; {remedy}"
            ) from None
        return RawDataset(
            source=str(files),
            classes=tuple(classes),
            train=ArrayExamples(pixels, labels),
            test=ArrayExamples(test_pixels, test_labels),
        )


@final
class MNIST(TorchvisionDataset):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of handwritten digits."""

    folder = "MNIST/raw"
    expected = "train-images-idx3-ubyte and its three companions"

    type: Literal["mnist"] = "mnist"

    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """One channel."""
        return _grey(torchvision.datasets.MNIST(root, train=train, download=download))


@final
class FashionMNIST(TorchvisionDataset):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of clothing."""

    folder = "FashionMNIST/raw"
    expected = "train-images-idx3-ubyte and its three companions"

    type: Literal["fashion-mnist"] = "fashion-mnist"

    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """One channel."""
        return _grey(torchvision.datasets.FashionMNIST(root, train=train, download=download))


@final
class CIFAR10(TorchvisionDataset):
    """50,000 training and 10,000 test images of 32x32 pixels in colour, in 10 classes."""

    folder = "cifar-10-batches-py"
    expected = "data_batch_1 to data_batch_5 and test_batch"

    type: Literal["cifar10"] = "cifar10"

    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Three channels."""
        return _colour(torchvision.datasets.CIFAR10(root, train=train, download=download))


@final
class CIFAR100(TorchvisionDataset):
    """50,000 training and 10,000 test images of 32x32 pixels in colour, in 100 classes."""

    folder = "cifar-100-python"
    expected = "train and test"

    type: Literal["cifar100"] = "cifar100"

    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Three channels."""
        return _colour(torchvision.datasets.CIFAR100(root, train=train, download=download))


@final
class SVHN(TorchvisionDataset):
    """73,257 training and 26,032 test images of 32x32 pixels in colour: house numbers in 10 classes."""

    folder = "svhn"
    expected = "train_32x32.mat and test_32x32.mat"

    type: Literal["svhn"] = "svhn"

    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Three channels."""
        found = torchvision.datasets.SVHN(
            root / self.folder, split="train" if train else "test", download=download
        )
        return torch.from_numpy(found.data), torch.from_numpy(found.labels).long(), list("0123456789")


@final
class USPS(TorchvisionDataset):
    """7,291 training and 2,007 test images of 16x16 pixels in 10 classes of handwritten digits."""

    folder = "usps"
    expected = "usps.bz2 and usps.t.bz2"

    type: Literal["usps"] = "usps"

    def read(self, root: Path, *, train: bool, download: bool) -> tuple[Tensor, Tensor, list[str]]:
        """One channel."""
        found = torchvision.datasets.USPS(root / self.folder, train=train, download=download)
        return torch.from_numpy(found.data)[:, None], torch.tensor(found.targets), list("0123456789")


def _grey(found: Any) -> tuple[Tensor, Tensor, list[str]]:
    return found.data[:, None], found.targets, found.classes


def _colour(found: Any) -> tuple[Tensor, Tensor, list[str]]:
    pixels = torch.from_numpy(found.data).permute(0, 3, 1, 2).contiguous()
    return pixels, torch.tensor(found.targets), found.classes
