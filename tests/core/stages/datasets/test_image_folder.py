"""Folders of images, and ImageNet's."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from dataset_files import WNIDS, write_folder
from idc.errors import InputError, Notice
from idc.stages.datasets.image_folder import ImageFolder
from idc.stages.datasets.imagenet import ImageNet
from idc.testing import check_dataset
from messages import assert_names


def test_imagenet_10_is_idcs(tmp_path: Path) -> None:
    write_folder(tmp_path / "imagenet", (*WNIDS, "n00000001"), 1, ("train", "val"))
    data = ImageNet(size=16).load(tmp_path)
    assert data.spec.classes == WNIDS
    assert data.spec.shape == (3, 16, 16)
    assert data.train.labels.bincount().tolist() == [2] * 10
    some = ImageNet(size=16, classes=(WNIDS[3], "n00000001")).load(tmp_path)
    assert some.spec.classes == (WNIDS[3], "n00000001")
    assert torch.equal(some.train.images(some.train.members[0]), data.train.images(data.train.members[3]))


SUBSETS = {
    "nette": ("n01440764", "n03888257"),
    "woof": ("n02096294", "n02105641"),
    "fruit": ("n07753275", "n07742313"),
    "meow": ("n02123045", "n02127052"),
    "squawk": ("n01806143", "n01819313"),
    "yellow": ("n02206856", "n01531178"),
}
"""MTT's subsets: their first and last class."""


@pytest.mark.parametrize("name", SUBSETS)
def test_mtts_subsets_of_imagenet_have_ten_classes(name: str) -> None:
    classes = ImageNet.model_validate({"classes": name, "size": 16}).wanted_classes()
    assert (classes[0], classes[-1]) == SUBSETS[name]
    assert len(set(classes)) == len(classes) == 10
    assert all(re.fullmatch(r"n\d{8}", each) for each in classes)


def test_an_unknown_subset_of_imagenet_is_refused_with_the_known() -> None:
    with pytest.raises(ValidationError, match=r"'nette', 'woof', 'fruit', 'meow', 'squawk' or 'yellow'"):
        ImageNet.model_validate({"classes": "nete"})


def test_a_subset_of_imagenet_is_loaded_in_its_order(tmp_path: Path) -> None:
    wanted = ImageNet(classes="yellow").wanted_classes()
    write_folder(tmp_path / "imagenet", wanted, 1, ("train", "val"))
    assert ImageNet(classes="yellow", size=16).load(tmp_path).spec.classes == wanted


def test_an_absent_class_of_imagenet_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "imagenet", WNIDS[1:], 1, ("train", "val"))
    with pytest.raises(
        InputError, match=rf"dataset\.classes: there is no class '{WNIDS[0]}' in .*imagenet/train"
    ):
        ImageNet(size=16).load(tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
def test_image_folder(tmp_path: Path, channels: int) -> None:
    write_folder(tmp_path / "pets")
    dataset = ImageFolder.model_validate({"path": "pets", "size": 16, "channels": channels})
    check_dataset(dataset, tmp_path)
    data = dataset.load(tmp_path)
    assert data.spec.shape == (channels, 16, 16)
    assert data.spec.classes == ("cat", "dog")
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4


def test_image_folder_scales_the_shorter_side_and_crops_the_centre(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    # Black on the left and on the right of the square in the middle.
    pixels = np.zeros((32, 64), dtype=np.uint8)
    pixels[:, 16:48] = 255
    for split in ("train", "test"):
        Image.fromarray(pixels).save(tmp_path / "pets" / split / "cat" / "0.png")
    data = ImageFolder(path=Path("pets"), size=16, channels=1).load(tmp_path)
    # The outermost columns take in a little of the black beside them.
    assert data.train.pixels[0, 0, :, 1:-1].min() == 255


def test_absent_folders_are_named(tmp_path: Path) -> None:
    dataset = ImageFolder(path=Path("pets"), size=16)
    with pytest.raises(InputError) as error:
        dataset.load(tmp_path)
    parts = (f"{tmp_path}/pets/train", f"{tmp_path}/pets/train/<class>/<image>", "--data", "test = 'val'")
    assert_names(str(error.value), "dataset.path: ", *parts, "train = '.'", "test_fraction")


def test_folders_without_classes_or_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pets" / "train").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"^dataset\.path: .* in .*/pets/train; .*/pets/train/<class>/<image>"
    ):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)
    (tmp_path / "pets" / "train" / "cat").mkdir()
    with pytest.raises(
        InputError, match=r"^dataset\.path: class 'cat' .*pets/train/cat \(.*\.avif, .*dataset\.classes"
    ):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)


def test_splits_with_different_classes_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "test" / "dog").rename(tmp_path / "pets" / "test" / "wolf")
    with pytest.raises(InputError, match=r"^dataset\.path: train and test .*dog, wolf.*dataset\.classes"):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)


def test_files_that_are_no_images_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "train" / "dog" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(
        InputError, match=r"1 of 16 examples cannot be read: .*pets/train/dog/1\.png \(cannot identify image"
    ):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)


def one_class(root: Path, image: Image.Image, name: str = "0.png") -> ImageFolder:
    """A dataset of one file in each split of each of two classes; the other class's are noise."""
    write_folder(root / "pets", ("cat",), 1)
    for split in ("train", "test"):
        folder = root / "pets" / split / "dog"
        folder.mkdir()
        image.save(folder / name)
    return ImageFolder(path=Path("pets"), size=4, channels=1)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(4, dtype=np.uint16) * 21845, 4).reshape(4, 4)
    data = one_class(tmp_path, Image.fromarray(ramp)).load(tmp_path)
    assert data.train.pixels[-1, 0, :, 0].tolist() == [0, 85, 170, 255]


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 200, 200])
    image.info["transparency"] = b"\x00\x80"
    data = one_class(tmp_path, image).load(tmp_path)
    assert data.train.pixels[-1].unique().tolist() == [200]


def test_values_of_unknown_range_are_refused(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((4, 4), dtype=np.float32))
    dataset = one_class(tmp_path, image, "0.tiff")
    with pytest.raises(InputError, match=r"0\.tiff \(mode F: its value range is unknown"):
        dataset.load(tmp_path)


def test_a_picture_too_large_to_be_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = one_class(tmp_path, Image.new("L", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match=r"0\.png \(40x40 pixels are more than 1000\)"):
        dataset.load(tmp_path)


def test_hidden_folders_are_no_classes(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "train" / ".ipynb_checkpoints").mkdir()
    assert ImageFolder(path=Path("pets"), size=4).load(tmp_path).spec.classes == ("cat", "dog")


def test_mean_and_std_may_be_given(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    given = {"path": "pets", "size": 4, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    spec = ImageFolder.model_validate(given).load(tmp_path).spec
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_folders_that_are_not_split(tmp_path: Path) -> None:
    write_folder(tmp_path, splits=("pets", "unused"), per_class=9)
    dataset = ImageFolder(path=Path("pets"), train=".", test_fraction=0.2, size=8)
    data = dataset.load(tmp_path)
    assert (len(data.train), len(data.test)) == (16, 4)
    assert data.spec.classes == ("cat", "dog")


def test_images_of_one_size_need_none(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "pets" / split / name
            folder.mkdir(parents=True)
            pixels = np.random.default_rng(len(name)).integers(0, 256, (6, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "a.gif")
    assert ImageFolder(path=Path("pets")).load(tmp_path).spec.shape == (3, 6, 9)


def test_links_are_followed_but_into_no_folder_twice(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    cat = tmp_path / "pets" / "train" / "cat"
    (cat / "loop").symlink_to(cat)
    (cat / "up").symlink_to(tmp_path)
    (cat / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    elsewhere = tmp_path / "elsewhere"
    (cat / "more").rename(elsewhere)
    (cat / "more").symlink_to(elsewhere)
    with pytest.raises(InputError, match=r"cat/dangling\.png"):
        ImageFolder(path=Path("pets"), size=4).load(tmp_path)
    (cat / "dangling.png").unlink()
    (cat / "up").unlink()
    data = ImageFolder(path=Path("pets"), size=4).load(tmp_path)
    assert data.train.labels.bincount().tolist() == [4, 4]


def test_names_in_any_encoding(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    odd = os.fsdecode(b"h\xfcndchen")
    for split, cat in (("train", "k\u00e4tzchen"), ("test", "ka\u0308tzchen")):
        # Composed on one side and decomposed on the other, as when files come from a Mac.
        folder = tmp_path / "pets" / split
        (folder / "cat").rename(folder / cat)
        (folder / "dog").rename(folder / odd)
        (folder / odd / "0.png").rename(folder / odd / os.fsdecode(b"\xff\xfe.png"))
    data = ImageFolder(path=Path("pets"), size=4).load(tmp_path)
    assert data.spec.classes == ("h\ufffdndchen", "k\u00e4tzchen")
    assert len(data.train) == 8
    (tmp_path / "pets" / "train" / odd / os.fsdecode(b"\xff\xfe.png")).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"1 of 16 examples cannot be read"):
        ImageFolder(path=Path("pets"), size=4).load(tmp_path)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_truncated_image_is_unreadable(tmp_path: Path, ending: str) -> None:
    write_folder(tmp_path / "pets")
    file = tmp_path / "pets" / "test" / "dog" / f"broken.{ending}"
    pixels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(InputError, match=rf"1 of 17 examples cannot be read: .*broken\.{ending} \("):
        ImageFolder(path=Path("pets"), size=4).load(tmp_path)
    with pytest.warns(Notice, match=rf"skipped: 1 of 17 .*broken\.{ending} \(.*truncated"):
        data = ImageFolder(path=Path("pets"), size=4, on_error="skip").load(tmp_path)
    assert (len(data.train), len(data.test)) == (8, 8)


def test_pictures_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    pixels = np.zeros((4, 4), dtype=np.uint8)
    pixels[0] = 200
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 3
    write_folder(tmp_path / "pets", ("cat",), 1)
    for split in ("train", "test"):
        folder = tmp_path / "pets" / split / "dog"
        folder.mkdir()
        image.save(folder / "0.png", exif=exif)
    data = ImageFolder(path=Path("pets"), size=4, channels=1).load(tmp_path)
    assert data.train.pixels[-1, 0].tolist()[-1] == [200] * 4
