"""Small datasets, written as the real ones are."""

import bz2
import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image
from scipy.io import wavfile

WNIDS = ("n02869837", "n01749939", "n02488291", "n02107142", "n13037406")
WNIDS += ("n02091831", "n04517823", "n04589890", "n03062245", "n01773797")
"""ImageNet-10, as the IDC paper has it."""


def write_idx(root: Path, name: str = "FashionMNIST", per_class: int = 3) -> None:
    """The four files of MNIST's format, compressed and not."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        count = 10 * per_class
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        contents = {
            f"{part}-images-idx3-ubyte": b"\0\0\x08\x03" + sizes + images.tobytes(),
            f"{part}-labels-idx1-ubyte": b"\0\0\x08\x01" + count.to_bytes(4, "big") + labels.tobytes(),
        }
        for file, content in contents.items():
            (folder / file).write_bytes(content)
            with gzip.open(folder / f"{file}.gz", "wb") as compressed:
                compressed.write(content)


def write_cifar(root: Path, classes: int, monkeypatch: pytest.MonkeyPatch, per_class: int = 1) -> None:
    """CIFAR-10 or CIFAR-100 with so many images a class in each file, whose checksums pass."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    folder = root / ("cifar-10-batches-py" if classes == 10 else "cifar-100-python")
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for file in files if classes == 10 else ("train", "test"):
        pixels = rng.integers(0, 256, (classes * per_class, 3072), dtype=np.uint8)
        labels = "labels" if classes == 10 else "fine_labels"
        (folder / file).write_bytes(pickle.dumps({"data": pixels, labels: [*range(classes)] * per_class}))
    names = [f"class{label}" for label in range(classes)]
    meta = {"label_names": names} if classes == 10 else {"fine_label_names": names}
    (folder / ("batches.meta" if classes == 10 else "meta")).write_bytes(pickle.dumps(meta))


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten images in each split, in which the digit 0 has the label 10, as in the original files."""
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda *_: True)
    (root / "svhn").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        pixels = rng.integers(0, 256, (32, 32, 3, 10), dtype=np.uint8)
        scipy.io.savemat(root / "svhn" / f"{split}_32x32.mat", {"X": pixels, "y": np.arange(1, 11)[:, None]})


def write_usps(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten images in each split, in LIBSVM's format, in which the digit 0 has the label 1."""
    monkeypatch.setattr("torchvision.datasets.utils.check_integrity", lambda *_: True)
    (root / "usps").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("usps.bz2", "usps.t.bz2"):
        values = rng.choice([-1.0, -0.25, 0.5, 1.0], (10, 256))
        lines = [
            f"{label} " + " ".join(f"{number}:{value:g}" for number, value in enumerate(row, 1))
            for label, row in enumerate(values, 1)
        ]
        (root / "usps" / name).write_bytes(bz2.compress("\n".join(lines).encode() + b"\n"))


def write_folder(
    root: Path,
    classes: tuple[str, ...] = ("cat", "dog"),
    per_class: int = 3,
    splits: tuple[str, str] = ("train", "test"),
) -> None:
    """PNG and JPEG files of several sizes and modes, some of them nested, in ``root``."""
    rng = np.random.default_rng(0)
    for split in splits:
        for name in classes:
            folder = root / split / name
            (folder / "more").mkdir(parents=True)
            for number in range(per_class):
                pixels = rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
            grey = rng.integers(0, 256, (25, 18), dtype=np.uint8)
            Image.fromarray(grey).save(folder / "more" / "grey.jpg")


def write_tiny_imagenet(
    root: Path, classes: tuple[str, ...] = ("n02", "n10", "n01"), per_class: int = 3
) -> None:
    """The archive's layout, with one grey image; ``wnids.txt`` is not sorted, as in the archive."""
    rng = np.random.default_rng(0)

    def write(file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        grey = file.stem.endswith("n01_0")
        pixels = rng.integers(0, 256, (64, 64) if grey else (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(file, format="jpeg")

    lines: list[str] = []
    for name in classes:
        for number in range(per_class):
            write(root / "train" / name / "images" / f"{name}_{number}.JPEG")
        (root / "train" / name / f"{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t0\t9\t9\n")
    for number, name in enumerate(classes * 2):
        write(root / "val" / "images" / f"val_{number}.JPEG")
        lines.append(f"val_{number}.JPEG\t{name}\t0\t0\t9\t9\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    (root / "wnids.txt").write_text("".join(f"{name}\n" for name in classes))


def write_speech(
    root: Path, words: tuple[str, ...] = ("no", "yes"), per_word: int = 9, rate: int = 16_000
) -> None:
    """Tones, a pitch for each word, of different lengths."""
    for label, word in enumerate(words):
        (root / word).mkdir(parents=True)
        for number in range(per_word):
            time = np.arange(rate * (number + 6) // 10) / rate
            tone = 0.5 * np.sin(2 * np.pi * 1000 * (label + 1) * time)
            wavfile.write(root / word / f"{number}.wav", rate, (tone * 32767).astype(np.int16))


def write_tensors(file: Path, count: int = 8, names: tuple[str, str] = ("images", "labels")) -> None:
    """Colour images with the channels last, in two classes, and half as many for testing."""
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for size, prefix in ((count, ""), (count // 2, "test_")):
        arrays[f"{prefix}{names[0]}"] = rng.integers(0, 256, (size, 6, 5, 3), dtype=np.uint8)
        arrays[f"{prefix}{names[1]}"] = np.arange(size) % 2
    np.savez(file, **arrays)  # pyright: ignore[reportArgumentType] (its own option may not be an array)


def write_hugging_face(folder: Path, count: int = 8) -> None:
    """A dataset as the library saves it, with images of two classes."""
    import datasets

    rng = np.random.default_rng(0)
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["circle", "square"])}
    )
    splits: Any = {
        name: datasets.Dataset.from_dict(
            {
                "img": [Image.fromarray(rng.integers(0, 256, (6, 5), dtype=np.uint8)) for _ in range(size)],
                "label": [number % 2 for number in range(size)],
            },
            features=features,
        )
        for name, size in (("train", count), ("test", count // 2))
    }
    datasets.DatasetDict(splits).save_to_disk(str(folder))


def write_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of every dataset that idc ships a stage for."""
    write_idx(root, "MNIST")
    write_idx(root, "FashionMNIST")
    write_cifar(root, 10, monkeypatch)
    write_cifar(root, 100, monkeypatch)
    write_svhn(root, monkeypatch)
    write_usps(root, monkeypatch)
    write_folder(root / "pets")
    write_speech(root / "mini_speech_commands")
    write_folder(root / "imagenet", WNIDS, 1, ("train", "val"))
    write_tiny_imagenet(root / "tiny-imagenet-200")
    write_tensors(root / "shapes.npz")
    write_hugging_face(root / "saved")
