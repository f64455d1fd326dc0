"""The datasets, on files that the tests write with real encoders."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dataset_files import WNIDS, write_cifar, write_folder, write_idx, write_speech, write_svhn
from idc import pictures
from idc.datasets.digits import Digits
from idc.datasets.image_folder import ImageFolder
from idc.datasets.imagenet import ImageNet
from idc.datasets.published import CIFAR10, CIFAR100, MNIST, SVHN, FashionMNIST
from idc.datasets.speech_commands import FLOOR, SpeechCommands
from idc.engine import condense
from idc.errors import InputError
from idc.testing import check_dataset
from small import small_pipeline


def test_digits_are_split_by_position(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    data = Digits(size=8).load(tmp_path)
    source: Any = load_digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert torch.cat([data.train.labels, data.test.labels]).tolist() == source["target"].tolist()
    last = torch.from_numpy(source["images"][-1]) / 16
    torch.testing.assert_close(data.test.images()[-1, 0].double(), last, rtol=0, atol=0.502 / 255)
    assert data.spec.classes == tuple("0123456789")


def test_digits_are_enlarged(tmp_path: Path) -> None:
    assert Digits().load(tmp_path).spec.shape == (1, 16, 16)
    check_dataset(Digits(), tmp_path)


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


def test_the_checksums_of_cifar_are_checked(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        write_cifar(tmp_path, 10, patched)
    with pytest.raises(InputError, match=r"not readable in .*cifar-10-batches-py .*fetch data_batch_1 to"):
        CIFAR10().load(tmp_path)


def test_imagenet_10_is_idcs(tmp_path: Path) -> None:
    write_folder(tmp_path / "imagenet", (*WNIDS, "n00000001"), 1, ("train", "val"))
    data = ImageNet(size=16).load(tmp_path)
    assert data.spec.classes == WNIDS
    assert data.spec.shape == (3, 16, 16)
    assert data.train.labels.bincount().tolist() == [2] * 10
    some = ImageNet(size=16, classes=(WNIDS[3], "n00000001")).load(tmp_path)
    assert some.spec.classes == (WNIDS[3], "n00000001")
    assert torch.equal(some.train.images(some.train.members[0]), data.train.images(data.train.members[3]))


def test_an_absent_class_of_imagenet_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "imagenet", WNIDS[1:], 1, ("train", "val"))
    with pytest.raises(
        InputError, match=rf"no class {WNIDS[0]} in .*imagenet/train.*named in dataset\.classes"
    ):
        ImageNet(size=16).load(tmp_path)


def test_absent_fashion_mnist_says_where_it_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        FashionMNIST().load(tmp_path)
    assert str(error.value) == (
        f"dataset: there is no folder {tmp_path}/FashionMNIST/raw; expected are there "
        "train-images-idx3-ubyte and its three companions, as torchvision keeps them. Name the folder above "
        "with --data"
    )


def test_damaged_fashion_mnist_is_refused(tmp_path: Path) -> None:
    write_idx(tmp_path)
    (tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    with pytest.raises(
        InputError, match=r"not readable in .*FashionMNIST/raw .*fetch train-images-idx3-ubyte and"
    ):
        FashionMNIST().load(tmp_path)


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
    assert str(error.value) == (
        f"dataset.path: there is no folder {tmp_path}/pets/train; expected are "
        f"{tmp_path}/pets/train/<class>/<image>. Name the folder that path is in with --data, and a split of "
        "another name in [dataset], as in test = 'val'"
    )


def test_folders_without_classes_or_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "pets" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match=r"expected is .*/pets/train/<class>/<image>"):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)
    (tmp_path / "pets" / "train" / "cat").mkdir()
    with pytest.raises(InputError, match=r"expected is .*/pets/train/<class>/<image>"):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)


def test_splits_with_different_classes_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "test" / "dog").rename(tmp_path / "pets" / "test" / "wolf")
    with pytest.raises(InputError, match=r"have different classes \(dog, wolf are in one only\)"):
        ImageFolder(path=Path("pets"), size=16).load(tmp_path)


def test_files_that_are_no_images_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "train" / "dog" / "1.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"pets/train/dog/1\.png is not a readable image"):
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
    with pytest.raises(
        InputError, match=r"0\.tiff is not a readable image \(mode F: its value range is unknown"
    ):
        dataset.load(tmp_path)


def test_a_picture_too_large_to_be_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = one_class(tmp_path, Image.new("L", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(InputError, match=r"not a readable image \(Image size \(1600 pixels\) exceeds"):
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


def test_speech_is_split_by_position_and_has_no_highest_value(tmp_path: Path) -> None:
    write_speech(tmp_path / "mini_speech_commands")
    data = SpeechCommands().load(tmp_path)
    assert (data.spec.shape, data.spec.classes) == ((1, 64, 64), ("no", "yes"))
    assert (data.spec.low, data.spec.high) == (pytest.approx(math.log(1e-3)), None)
    # The first and the ninth of each word's nine files.
    assert (data.train.labels.bincount().tolist(), data.test.labels.bincount().tolist()) == ([7, 7], [2, 2])
    assert data.train.pixels.min() >= data.spec.low


def test_a_tone_is_a_line_at_its_frequency() -> None:
    dataset = SpeechCommands()
    time = torch.arange(16_000) / 16_000
    spectrogram = dataset.spectrogram((2 * torch.pi * 3000 * time).sin())[0]
    # 128 frequencies up to 8 kHz are resized to 64, each 125 Hz wide: 3 kHz is at 24.
    assert set(spectrogram.argmax(0).tolist()) <= {23, 24}
    silence = dataset.spectrogram(torch.zeros(16_000))
    assert torch.allclose(silence, torch.tensor(FLOOR).log())


def test_speech_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"there are no .*mini_speech_commands/<word>/\*\.wav; sort the files"
    ):
        SpeechCommands().load(tmp_path)
    write_speech(tmp_path / "slow", rate=8000)
    with pytest.raises(InputError, match=r"dataset\.rate: .*0\.wav has 8000 samples per second, not 16000"):
        SpeechCommands(path=Path("slow")).load(tmp_path)
    assert SpeechCommands(path=Path("slow"), rate=8000).load(tmp_path).spec.shape == (1, 64, 64)
    (tmp_path / "slow" / "no" / "3.wav").write_bytes(b"RIFF, perhaps")
    with pytest.raises(InputError, match=r"3\.wav is not a readable wav"):
        SpeechCommands(path=Path("slow"), rate=8000).load(tmp_path)


def test_speech_condenses_in_time(tmp_path: Path) -> None:
    write_speech(tmp_path / "mini_speech_commands")
    pipeline = small_pipeline(
        dataset={"type": "speech-commands", "size": 16},
        decoder={"type": "multiformation", "factor": 2, "axis": "time", "padding": math.log(FLOOR)},
        augment=[],
        baseline=[],
        networks={"type": "real", "images": 10},
    )
    condensation = condense(pipeline, root=tmp_path, device="cpu")
    list(condensation)
    synset = condensation.synset()
    assert len(synset) == 2 * 2 * 2
    assert synset.images.min() >= synset.spec.low
    assert pictures.grid(synset).size == (4 * 66 + 2, 2 * 66 + 2)
