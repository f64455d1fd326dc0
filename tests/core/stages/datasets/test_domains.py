"""Several datasets with the same classes as one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from idc.errors import InputError
from idc.kinds import Dataset
from messages import assert_names


def write(root: Path, name: str, value: int, *, shape: tuple[int, ...] = (1, 6, 6), classes: int = 2) -> None:
    """A file of the dataset type ``tensors``: all pixels of image i are ``value + i``."""
    arrays: dict[str, np.ndarray] = {}
    for split, count in (("train", 6), ("test", 2)):
        labels = np.arange(count * classes) % classes
        values = (value + np.arange(len(labels))).astype(np.uint8)
        images = np.broadcast_to(values[:, None, None, None], (len(labels), *shape))
        arrays |= {f"{split}_images": images, f"{split}_labels": labels}
    np.savez(root / f"{name}.npz", allow_pickle=False, **arrays)


def domains(*names: str, **fields: object) -> Dataset:
    parts = [{"type": "tensors", "path": f"{name}.npz"} for name in names]
    return Dataset.model_validate({"type": "domains", "parts": parts, **fields})


def test_each_class_of_each_part_is_a_class(tmp_path: Path) -> None:
    write(tmp_path, "first", 0)
    write(tmp_path, "second", 100)
    real = domains("first", "second").load(tmp_path)
    assert len(real.spec.classes) == 4
    assert [name.split("/")[0] for name in real.spec.classes] == [
        "tensors-1",
        "tensors-1",
        "tensors-2",
        "tensors-2",
    ]
    assert (len(real.train), len(real.test)) == (24, 8)
    for label, members in enumerate(real.train.members):
        values = real.train.pixels[members, 0, 0, 0].tolist()
        first = 100 * (label // 2) + label % 2
        assert values == list(range(first, first + 12, 2))


def test_a_limit_is_of_each_class_of_each_part(tmp_path: Path) -> None:
    write(tmp_path, "first", 0)
    write(tmp_path, "second", 100)
    real = domains("first", "second", limit=3).load(tmp_path)
    assert real.train.labels.bincount().tolist() == [3, 3, 3, 3]


def test_parts_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "first", 0)
    write(tmp_path, "larger", 0, shape=(1, 8, 8))
    write(tmp_path, "more", 0, classes=3)
    for other, parts in (
        ("larger", ["dataset.parts.1", "shape", "(1, 8, 8)", "(1, 6, 6)", "size"]),
        ("more", ["dataset.parts.1", "number of classes is 3", "is 2"]),
        ("absent", ["dataset.parts.1", "absent.npz"]),
    ):
        with pytest.raises(InputError) as caught:
            domains("first", other).load(tmp_path)
        assert_names(str(caught.value), *parts)


def test_bytes_and_floats_are_joined_as_values(tmp_path: Path) -> None:
    write(tmp_path, "first", 0)
    labels = np.arange(8) % 2
    images = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None, None] * np.ones(
        (1, 1, 6, 6), dtype=np.float32
    )
    np.savez(
        tmp_path / "floats.npz",
        train_images=images,
        train_labels=labels,
        test_images=images,
        test_labels=labels,
    )
    real = domains("first", "floats").load(tmp_path)
    assert real.train.pixels.dtype == torch.float32
    assert float(real.train.pixels[1].max()) == pytest.approx(1 / 255)
    assert float(real.train.pixels[-1].max()) == 1
