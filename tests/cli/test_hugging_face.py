"""A synset as a dataset for a hub, and back, with the real library and no network."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from command_line import names, refused, succeeded
from idc.synset.synset import Synset
from small import small_pipeline

datasets: Any = pytest.importorskip("datasets")
hub: Any = pytest.importorskip("huggingface_hub")


@pytest.fixture
def exported(run: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", Path("hub-cache").absolute())
    done = succeeded("export", str(run), "hub/small", "--to", "hugging-face")
    assert done.stdout.startswith("wrote ")
    return Path("hub/small")


def test_the_library_reads_it(exported: Path, run: Path) -> None:
    synset = Synset.load(run)
    loaded = datasets.load_dataset(str(exported), split="train")
    assert loaded.features["label"].names == list(synset.spec.classes)
    assert loaded["label"][:] == synset.labels.tolist()
    shown = np.stack([np.asarray(image) for image in loaded["image"]]) / 255
    np.testing.assert_allclose(shown, synset.images[:, 0].clamp(0, 1).numpy(), atol=0.51 / 255)


def test_the_card_says_what_it_is(exported: Path, run: Path) -> None:
    card = hub.DatasetCard.load(exported / "README.md")
    assert card.data.task_categories == ["image-classification"]
    assert card.data.size_categories == ["n<1K"]
    assert card.data.license is None
    scores = json.loads((run / "report.json").read_text())["evaluations"]
    for score in scores:
        assert f"| {score['synset']} |" in card.text
    assert small_pipeline().toml().splitlines()[0] in card.text
    assert {path.name for path in exported.iterdir()} == {
        "README.md",
        "data",
        "preview.png",
        "report.json",
        "synset.safetensors",
    }
    # No temporary folder stays.
    assert [path.name for path in exported.parent.iterdir()] == ["small"]


def test_it_comes_back_as_it_was(exported: Path, run: Path) -> None:
    succeeded("import", str(exported), "back.safetensors")
    before, after = Synset.load(run), Synset.load("back.safetensors")
    assert after.header == before.header
    assert all(torch.equal(after.codes[name], code) for name, code in before.codes.items())
    # Nor is an import needed.
    names(succeeded("compare", str(exported)).stdout, before.name)


def test_a_synset_without_a_run_has_no_scores(run: Path) -> None:
    succeeded("export", str(run / "synset.safetensors"), "hub", "--to", "hugging-face")
    assert "Not scored yet." in Path("hub/README.md").read_text()
    assert not Path("hub/report.json").exists()


def test_floats_where_pictures_cannot_hold_the_values(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", Path("hub-cache").absolute())
    synset = Synset.load(run)
    unbounded = synset.spec.model_copy(update={"high": None, "content": "spectrogram"})
    header = synset.header.model_copy(update={"spec": unbounded})
    Synset(header, synset.decoder, synset.codes).save("speech.safetensors")
    succeeded("export", "speech.safetensors", "hub", "--to", "hugging-face")
    values = datasets.load_dataset("hub", split="train").with_format("numpy")["values"][:]
    assert np.array_equal(np.stack(values), synset.images.numpy())
    assert "audio-classification" in Path("hub/README.md").read_text()


def test_what_is_there_is_kept(run: Path) -> None:
    Path("hub").mkdir()
    Path("hub/mine").touch()
    message = refused("export", str(run), "hub", "--to", "hugging-face")
    names(message, "hub: is not an empty folder", "choose another")
    names(refused("export", str(run), "new.pt", "--to", "hugging-face"), "ending of new.pt", "new folder")
    names(refused("export", str(run), "new", "--to", "hugging-face", "--overwrite"), "--overwrite")
    names(refused("import", "some.pt", "out.safetensors"), "some.pt: no such file")
    names(refused("import", str(run), "out.safetensors", "--classes", "a,b"), "--classes", "leave it out")
    Path("some.pt").touch()
    names(refused("import", "some.pt", "out.safetensors"), "--pipeline, --mean, --std, --low")
    names(refused("import", "hub", "out.safetensors"), "no such file")
