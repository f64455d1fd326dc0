"""Files of other codes in and out; nothing in them is executed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from command_line import idc, names
from idc.errors import InputError
from idc.stages.datasets.image_folder import ImageFolder
from idc.synset import header as artifact
from idc.synset.interop import read_public
from idc.synset.synset import Synset
from small import small_pipeline

IMAGES = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10).repeat(2)
FACTS = ("--pipeline", "small.toml", "--mean", "0.3", "--std", "0.4", "--low", "0", "--high", "1")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(small_pipeline().toml())


def test_idcs_format_is_imported_and_scored() -> None:
    torch.save([IMAGES, LABELS], "idc.pt")
    result = idc("import", "idc.pt", "made.safetensors", *FACTS, "--method", "theirs")
    assert result.exit_code == 0, result.output
    synset = Synset.load("made.safetensors")
    assert (synset.name, synset.spec.mean, synset.header.budget) == ("theirs", (0.3,), IMAGES.numel())
    for image, label in zip(IMAGES, LABELS, strict=True):
        assert any(torch.equal(image, each) for each in synset.images[synset.labels == label])
    scored = idc("evaluate", "made.safetensors", "--device", "cpu", "--json", "--quiet")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)[0]["synset"] == "theirs"


def test_dcs_format_holds_numbers_of_numpy_which_are_passed_over() -> None:
    first = [torch.zeros_like(IMAGES), LABELS]
    accuracies = {"ConvNet": [np.float64(44.9), np.float64(45.1)]}
    torch.save({"data": [first, [(IMAGES - 0.3) / 0.4, LABELS]], "accs_all_exps": accuracies}, "dc.pt")
    result = idc("import", "dc.pt", "made.safetensors", *FACTS, "--normalised")
    assert result.exit_code == 0, result.output
    synset = Synset.load("made.safetensors")
    torch.testing.assert_close(synset.images[synset.labels == 3], IMAGES[LABELS == 3])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([IMAGES], "neither"),
        ([IMAGES, LABELS[:5]], "neither"),
        ([IMAGES.long(), LABELS], "neither"),
        ([IMAGES, LABELS.float()], "neither"),
        ([IMAGES[0], LABELS[:1]], "neither"),
        ({"data": []}, "neither"),
        ([IMAGES[:15], LABELS[:15]], "its 10 classes have 1 to 2 images"),
        ([IMAGES, LABELS - 1], "labels from -1 to 8"),
        ([IMAGES.repeat(1, 3, 1, 1), LABELS], "1 and 1 numbers, but the images have 3 channels"),
        ([IMAGES * 255, LABELS], "do not fit the range 0 to 1; add --normalised"),
    ],
)
def test_what_does_not_fit_is_refused(content: Any, message: str) -> None:
    torch.save(content, "some.pt")
    result = idc("import", "some.pt", "made.safetensors", *FACTS)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not Path("made.safetensors").exists()


def made() -> Synset:
    torch.save([IMAGES, LABELS], "idc.pt")
    assert idc("import", "idc.pt", "made.safetensors", *FACTS).exit_code == 0
    return Synset.load("made.safetensors")


def test_exports_are_read_again() -> None:
    synset = made()
    for out in ("out.pt", "out.npz", "pngs"):
        assert idc("export", "made.safetensors", out).stdout == f"wrote 20 images in 10 classes to {out}\n"
        again = idc("export", "made.safetensors", out)
        assert again.exit_code == 2
        names(again.stderr, f"error: {out}: ", "exists", "--overwrite")
    images, labels = read_public(Path("out.pt"))
    assert torch.equal(images, synset.images)
    assert torch.equal(labels, synset.labels)
    with np.load("out.npz") as arrays:
        assert np.array_equal(arrays["images"], synset.images.numpy())
        assert arrays["classes"].tolist() == [*"0123456789"]
    with Image.open("pngs/4/000009.png") as image:
        shown = np.asarray(image) / 255
    np.testing.assert_allclose(shown, synset.images[9, 0].numpy(), atol=0.51 / 255)
    data = ImageFolder(path=Path("pngs"), train=".", test_fraction=0.5, channels=1).load(Path())
    assert data.spec.classes == synset.spec.classes


def test_a_synset_is_verified() -> None:
    made()
    assert "1 tensors, 1,280 numbers, as they were written" in idc("verify", "made.safetensors").stdout
    header = artifact.read(Path("made.safetensors")).header
    codes = load_file("made.safetensors")
    codes["images"][3, 0, 0, 2, 2] += 1e-6
    save_file(codes, "made.safetensors", header.metadata())
    result = idc("verify", "made.safetensors")
    assert result.exit_code == 1
    names(result.stderr, "made.safetensors: damaged; ", "tensors")
    with pytest.raises(InputError, match=r"made\.safetensors: damaged; the hash .*; copy or create it again"):
        Synset.load("made.safetensors")
    old = header.model_copy(update={"tensors": None})
    save_file(codes, "made.safetensors", old.metadata())
    assert "has no hash" in idc("verify", "made.safetensors").stderr
    assert len(Synset.load("made.safetensors")) == 20


def test_where_a_synset_comes_from_is_kept_and_shown() -> None:
    assert idc("run", "small.toml", "--device", "cpu", "--quiet").exit_code == 0
    header = artifact.read(Path("runs/small")).header
    assert header.seconds is not None
    assert header.seconds > 0
    assert header.tensors is not None
    shown = idc("inspect", "runs/small").stdout
    for fact in (header.fingerprint, header.tensors, f"{header.seconds:,.1f}", "on cpu", "seed 0", "eager"):
        assert fact in shown


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        ([IMAGES, LABELS], ("--std", "0"), "must be positive in every channel"),
        ([IMAGES * float("nan"), LABELS], (), "pixels must be finite"),
        ([IMAGES, LABELS + 10**10], (), "the number of images, 20; the highest label is 10000000009"),
        ([IMAGES, LABELS], ("--normalised",), "are not normalised; omit --normalised"),
        ([IMAGES, LABELS], ("--mean", "a,b"), "--mean: 'a,b' is not allowed"),
    ],
)
def test_values_that_make_no_synset_are_refused(content: Any, flags: tuple[str, ...], message: str) -> None:
    torch.save(content, "some.pt")
    result = idc("import", "some.pt", "made.safetensors", *FACTS, *flags)
    assert result.exit_code == 2, result.output
    assert message in result.stderr


def test_a_synset_whose_header_does_not_fit_its_tensors_is_damaged() -> None:
    made()
    path = Path("made.safetensors")
    path.write_bytes(path.read_bytes().replace(b"[10,2,1,8,8]", b"[10,2,1,8,9]"))
    assert idc("verify", "made.safetensors").exit_code == 1


def test_nothing_is_mixed_with_what_a_folder_holds() -> None:
    made()
    Path("pngs").mkdir()
    Path("pngs/mine.txt").write_text("precious")
    result = idc("export", "made.safetensors", "pngs", "--overwrite")
    assert result.exit_code == 2
    names(result.stderr, "pngs: ", "not empty", "remove it, or choose another")
