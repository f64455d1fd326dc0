"""Datasets that the Hugging Face library saved."""

from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

from dataset_files import write_hugging_face
from idc.errors import InputError
from idc.stages.datasets.hugging_face import HuggingFace


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
    with pytest.raises(InputError, match=r"^dataset\.path: .*/saved .*save_to_disk\(path\).* --data"):
        HuggingFace(path=Path("saved")).load(tmp_path)
    write_hugging_face(tmp_path / "saved")
    with pytest.raises(InputError, match=r"there is no split 'training' in .*/saved; .*train, test"):
        HuggingFace(path=Path("saved"), train="training").load(tmp_path)
    with pytest.raises(InputError, match=r"^dataset\.image_column: .*'train' .*/saved .*columns img, label"):
        HuggingFace(path=Path("saved"), image_column="picture").load(tmp_path)
    with pytest.raises(InputError, match=r"^dataset\.label_column: 'img' .*whole numbers; set "):
        HuggingFace(path=Path("saved"), label_column="img").load(tmp_path)


def test_sixteen_bits_are_scaled_and_classes_compared(tmp_path: Path) -> None:
    def saved(names: list[str]) -> datasets.Dataset:
        images = [Image.fromarray(np.full((4, 4), value, dtype=np.uint16)) for value in (0, 20000)]
        features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
        return datasets.Dataset.from_dict({"image": images, "label": [0, 1]}, features=features)

    ours = {"train": saved(["a", "b"]), "test": saved(["a", "b"])}
    datasets.DatasetDict(**ours).save_to_disk(str(tmp_path / "deep"))
    data = HuggingFace(path=Path("deep"), channels=1).load(tmp_path)
    assert data.train.pixels[1].unique().tolist() == [77]
    ours["test"] = saved(["b", "a"])
    datasets.DatasetDict(**ours).save_to_disk(str(tmp_path / "other"))
    with pytest.raises(
        InputError, match=r"^dataset\.test: .*'test' and 'train' .*/other .*same classes.* order; .*b, a"
    ):
        HuggingFace(path=Path("other"), channels=1).load(tmp_path)
    with pytest.raises(InputError, match=r"there is no split 'tset' in .*/deep; .*train, test"):
        HuggingFace(path=Path("deep"), test="tset").load(tmp_path)
