"""Tiny ImageNet's archive."""

from pathlib import Path

import pytest

from dataset_files import write_tiny_imagenet
from idc.errors import InputError
from idc.stages.datasets.tiny_imagenet import TinyImageNet
from idc.testing import check_dataset
from messages import assert_names


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_tiny_imagenet(tmp_path / "tiny-imagenet-200")
    return tmp_path


def test_classes_are_sorted_and_test_images_are_labelled_by_the_annotations(root: Path) -> None:
    check_dataset(TinyImageNet(), root)
    data = TinyImageNet().load(root)
    assert data.spec.classes == ("n01", "n02", "n10")
    assert data.spec.shape == (3, 64, 64)
    assert data.train.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert data.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    raw = TinyImageNet().find(root, download=False)
    assert raw.test is not None
    assert [Path(raw.test.name(position)).name for position in range(2)] == ["val_2.JPEG", "val_5.JPEG"]


def test_classes_are_selected_in_the_order_given(root: Path) -> None:
    data = TinyImageNet(classes=("n10", "n01")).load(root)
    assert data.spec.classes == ("n10", "n01")
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_a_fraction_of_the_training_images_may_replace_val(root: Path) -> None:
    (root / "tiny-imagenet-200" / "val" / "val_annotations.txt").unlink()
    data = TinyImageNet(test_fraction=0.3).load(root)
    assert (len(data.train), len(data.test)) == (6, 3)


def refusal(root: Path, dataset: TinyImageNet) -> str:
    with pytest.raises(InputError) as error:
        dataset.load(root)
    return str(error.value)


def test_an_absent_archive_is_named_with_its_layout(tmp_path: Path) -> None:
    message = refusal(tmp_path, TinyImageNet())
    assert_names(message, "dataset.path: ", f"{tmp_path}/tiny-imagenet-200/wnids.txt", "val_annotations.txt")
    assert_names(message, "--data", "'image-folder'", "test = 'val'")


def test_incomplete_archives_are_refused(root: Path) -> None:
    folder = root / "tiny-imagenet-200"
    assert_names(refusal(root, TinyImageNet(classes=("n03",))), "dataset.classes: ", "'n03'", "wnids.txt")
    annotations = folder / "val" / "val_annotations.txt"
    lines = annotations.read_text().splitlines()
    annotations.write_text("\n".join(line for line in lines if "n10" not in line))
    assert_names(refusal(root, TinyImageNet()), str(annotations), "'n10'", "test_fraction")
    annotations.write_text("\n".join([lines[0], "val_9.JPEG"]))
    assert_names(refusal(root, TinyImageNet()), "line 2", "'val_9.JPEG'", "tab", "again")
    annotations.unlink()
    assert_names(refusal(root, TinyImageNet()), str(annotations), "cannot be read")
    (folder / "train" / "n02").rename(folder / "train" / "n99")
    annotations.write_text("\n".join(lines))
    assert_names(refusal(root, TinyImageNet()), "1 of 3 classes", f"{folder}/train", "n02", "dataset.classes")
