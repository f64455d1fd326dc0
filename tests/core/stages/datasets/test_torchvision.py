"""The datasets that torchvision reads, on files that the tests write as they are published."""

from pathlib import Path

import numpy as np
import pytest

from dataset_files import write_cifar, write_idx, write_svhn, write_usps
from idc.errors import InputError
from idc.stages.datasets.torchvision import CIFAR10, CIFAR100, MNIST, SVHN, USPS, FashionMNIST
from idc.testing import check_dataset
from messages import assert_names


def test_fashion_mnist(tmp_path: Path) -> None:
    write_idx(tmp_path)
    check_dataset(FashionMNIST(), tmp_path)
    data = FashionMNIST(mean=(0.2861,), std=(0.3530,)).load(tmp_path)
    assert data.spec.shape == (1, 28, 28)
    assert data.spec.classes[9] == "Ankle boot"
    assert data.spec.mean == (0.2861,)


def test_mnist(tmp_path: Path) -> None:
    write_idx(tmp_path, "MNIST")
    assert MNIST().load(tmp_path).spec.shape == (1, 28, 28)


@pytest.mark.parametrize(("dataset", "classes"), [(CIFAR10(), 10), (CIFAR100(), 100)])
def test_cifar(
    dataset: CIFAR10 | CIFAR100, classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar(tmp_path, classes, monkeypatch)
    data = dataset.load(tmp_path)
    assert data.spec.shape == (3, 32, 32)
    assert data.spec.classes[-1] == f"class{classes - 1}"
    # As stored: a plane of 1024 red values, row by row, then green, then blue.
    stored = np.random.default_rng(0).integers(0, 256, (classes, 3072), dtype=np.uint8)
    assert data.train.pixels[1].flatten().tolist() == stored[1].tolist()


def test_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_svhn(tmp_path, monkeypatch)
    data = SVHN().load(tmp_path)
    assert data.spec.shape == (3, 32, 32)
    assert data.train.labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def test_usps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_usps(tmp_path, monkeypatch)
    data = USPS().load(tmp_path)
    assert data.spec.shape == (1, 16, 16)
    assert data.spec.classes == tuple("0123456789")
    assert data.train.labels.tolist() == list(range(10))
    # -1 is black and 1 is white.
    assert (int(data.train.pixels.min()), int(data.train.pixels.max())) == (0, 255)


def test_the_checksums_of_cifar_are_checked(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        write_cifar(tmp_path, 10, patched)
    with pytest.raises(
        InputError, match=r"^dataset: .*/cifar-10-batches-py .*data_batch_1 to .*test_batch.*--download"
    ):
        CIFAR10().load(tmp_path)


def test_absent_fashion_mnist_says_where_it_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        FashionMNIST().load(tmp_path)
    parts = (f"{tmp_path}/FashionMNIST/raw", "train-images-idx3-ubyte", "--data", "--download")
    assert_names(str(error.value), "dataset: ", *parts)


def test_damaged_fashion_mnist_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    with pytest.raises(
        InputError, match=r"^dataset: .*/FashionMNIST/raw .*train-images-idx3-ubyte .*--download"
    ):
        FashionMNIST().load(tmp_path)
