"""Datasets that the Hugging Face library saved."""

from pathlib import Path

import pytest

from dataset_files import write_hugging_face
from idc.datasets.hugging_face import HuggingFace
from idc.errors import InputError


def test_a_saved_dataset(tmp_path: Path) -> None:
    write_hugging_face(tmp_path / "saved")
    data = HuggingFace(path=Path("saved")).load(tmp_path)
    assert data.spec.classes == ("circle", "square")
    assert data.spec.shape == (3, 6, 5)
    assert (len(data.train), len(data.test)) == (8, 4)
    some = HuggingFace(path=Path("saved"), channels=None, size=4, classes=("square", "circle"), limit=2)
    assert some.load(tmp_path).spec.shape == (1, 4, 4)
    assert some.load(tmp_path).train.labels.bincount().tolist() == [2, 2]


def test_a_single_split_is_for_training(tmp_path: Path) -> None:
    write_hugging_face(tmp_path / "saved")
    with pytest.raises(InputError, match=r"has no test split"):
        HuggingFace(path=Path("saved/train")).load(tmp_path)
    data = HuggingFace(path=Path("saved/train"), test_fraction=0.5).load(tmp_path)
    assert (len(data.train), len(data.test)) == (4, 4)


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"saved is not a dataset on disk .*save_to_disk"):
        HuggingFace(path=Path("saved")).load(tmp_path)
    write_hugging_face(tmp_path / "saved")
    with pytest.raises(InputError, match=r"there is no split 'training' in .*; there are train, test"):
        HuggingFace(path=Path("saved"), train="training").load(tmp_path)
    with pytest.raises(
        InputError, match=r"dataset\.image_column: split 'train' .*columns img, label; name that"
    ):
        HuggingFace(path=Path("saved"), image_column="picture").load(tmp_path)
    with pytest.raises(InputError, match=r"dataset\.label_column: 'img' holds .*and not whole numbers"):
        HuggingFace(path=Path("saved"), label_column="img").load(tmp_path)
