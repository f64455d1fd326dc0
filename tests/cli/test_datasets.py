"""Datasets and the command line: prepared once, cached, written as pictures and sounds."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile
from typer.testing import Result

from command_line import idc, names, succeeded
from dataset_files import write_folder, write_speech
from idc.data import cache
from idc.experiment.report import Report
from idc.synset.synset import Synset

PETS = 'dataset={type="image-folder", path="pets", size=8}'


def run_pets(*arguments: str) -> Result:
    small = ("--set", PETS, "--set", "images_per_class=1")
    return idc("run", "small.toml", "--out", "runs/small", "--device", "cpu", *small, *arguments)


def test_a_users_own_images_from_a_folder_to_scores() -> None:
    write_folder(Path("data/pets"))
    result = run_pets()
    assert result.exit_code == 0, result.output
    assert "read image-folder: done" in result.stderr
    synset = Synset.load(Path("runs/small"))
    assert synset.spec.classes == ("cat", "dog")
    assert Report.load(Path("runs/small")).classes == ("cat", "dog")
    assert "2: cat, dog" in idc("inspect", "runs/small").stdout
    again = run_pets("--overwrite")
    assert "read image-folder" not in again.stderr
    assert Synset.load(Path("runs/small")).header.fingerprint == synset.header.fingerprint


@pytest.mark.filterwarnings("always::idc.errors.Notice")
def test_images_that_cannot_be_read_are_told_without_a_traceback() -> None:
    write_folder(Path("data/pets"))
    Path("data/pets/train/cat/broken.png").write_bytes(b"no picture")
    result = run_pets()
    assert result.exit_code == 2
    names(result.stderr, "1 of 17 examples", "data/pets/train/cat/broken.png", "cannot identify")
    assert not Path("runs").exists()
    skipping = run_pets("--set", "dataset.on_error=skip", "--set", "evaluate=[]")
    assert skipping.exit_code == 0, skipping.output
    names(skipping.stderr, "note: ", "1 of 17 examples", "data/pets/train/cat/broken.png")


def test_the_cache_is_listed_and_emptied() -> None:
    assert idc("cache").stdout == f"0 bytes in {cache.folder()}\n"
    write_folder(Path("data/pets"))
    run_pets()
    (entry,) = cache.entries()
    listed = idc("cache").stdout
    assert "image-folder" in listed
    assert "data/pets" in listed
    (described,) = json.loads(idc("cache", "--json").stdout)
    assert (described["path"], described["bytes"]) == (str(entry.path), entry.size)
    assert idc("cache", "--empty").stdout == f"removed {entry.size / 1e3:.3g} kB from {cache.folder()}\n"
    assert cache.entries() == []


@pytest.mark.filterwarnings("always::idc.errors.Notice")
def test_a_cache_that_cannot_be_written_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(Path("data/pets"))
    monkeypatch.setenv(cache.VARIABLE, "/proc/idc")
    result = run_pets()
    assert result.exit_code == 0, result.output
    names(result.stderr, "note: ", "prepared images", " /proc/idc (", cache.VARIABLE)


def test_public_data_are_only_fetched_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    class Absent:
        def __init__(self, root: Path, *, train: bool, download: bool) -> None:
            asked.append(download)
            raise RuntimeError("Error downloading train-images-idx3-ubyte.gz\nand more")

    monkeypatch.setattr("torchvision.datasets.FashionMNIST", Absent)
    arguments = ("run", "small.toml", "--set", 'dataset={type="fashion-mnist"}')
    result = idc(*arguments)
    assert (result.exit_code, asked) == (2, [])
    names(result.stderr, "dataset: ", "data/FashionMNIST/raw", "--data", "--download")
    result = idc(*arguments, "--download")
    assert (result.exit_code, asked) == (2, [True])
    assert "(Error downloading train-images-idx3-ubyte.gz)" in result.stderr


def test_spectrograms_are_drawn_and_heard() -> None:
    write_speech(Path("data/mini_speech_commands"))
    result = idc(
        *("run", "small.toml", "--out", "runs/small", "--device", "cpu", "--quiet", "--set", "augment=[]"),
        *("--set", 'dataset={type="speech-commands", size=32}', "--set", "decoder.axis=time"),
        *("--set", "images_per_class=1"),
    )
    assert result.exit_code == 0, result.output
    synset = Synset.load(Path("runs/small"))
    assert synset.spec.high is None
    assert synset.images.max() > 1
    succeeded("evaluate", "runs/small", "--device", "cpu", "--quiet")
    result = succeeded("inspect", "runs/small", "--image", "seen.png", "--audio", "heard")
    assert "wrote 4 wavs to heard" in result.stderr
    files = sorted(Path("heard").rglob("*.wav"))
    assert [str(file) for file in files] == [
        f"heard/{name}" for name in ("no/0000.wav", "no/0001.wav", "yes/0002.wav", "yes/0003.wav")
    ]
    for file in files:
        rate, samples = wavfile.read(file)
        assert (rate, len(samples)) == (16_000, 16_000)
        assert np.abs(samples).max() > 300
    with Image.open("seen.png") as picture:
        assert picture.height == 2 * 66 + 2


def test_images_that_are_no_spectrograms_are_not_written_as_audio(run: Path) -> None:
    result = idc("inspect", "runs/small", "--audio", "heard")
    assert result.exit_code == 2
    names(result.stderr, "--audio", "runs/small", "not spectrograms", "--image")
    assert not Path("heard").exists()
