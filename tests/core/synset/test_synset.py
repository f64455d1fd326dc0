"""The synset as a file and as a PyTorch dataset."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from idc.condensation.loop import condense
from idc.data.fingerprint import digest
from idc.errors import InputError
from idc.shapes import Codes
from idc.synset.codes import budget
from idc.synset.synset import Synset
from small import small_pipeline


@pytest.fixture(scope="module")
def synset() -> Synset:
    return condense(small_pipeline(iterations=0), device="cpu").synset()


def test_it_is_a_map_style_dataset(synset: Synset) -> None:
    assert len(synset) == 10 * 2 * 4
    image, label = synset[0]
    assert image.shape == (1, 8, 8)
    assert label == 0
    batches = list(DataLoader(synset, batch_size=32, shuffle=True))
    assert [len(images) for images, _ in batches] == [32, 32, 16]
    assert torch.cat([labels for _, labels in batches]).bincount().tolist() == [8] * 10


def test_saving_and_loading_changes_nothing(synset: Synset, tmp_path: Path) -> None:
    synset.save(tmp_path / "synset.safetensors")
    for path in (tmp_path / "synset.safetensors", tmp_path):
        loaded = Synset.load(path)
        assert loaded.header == synset.header
        assert loaded.pipeline == synset.pipeline
        assert torch.equal(loaded.images, synset.images)
        assert torch.equal(loaded.codes["images"], synset.codes["images"])


def test_equal_synsets_are_equal_files(synset: Synset, tmp_path: Path) -> None:
    synset.save(tmp_path / "a")
    condense(small_pipeline(iterations=0), device="cpu").synset().save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_budget_counts_stored_numbers(synset: Synset) -> None:
    assert synset.header.budget == 10 * 2 * 64
    assert synset.header.images == 80


def test_images_keep_to_the_value_range() -> None:
    condensation = condense(small_pipeline(iterations=0), device="cpu")
    condensation.group.codes = {"images": condensation.codes()["images"] * 4 - 2}
    images = condensation.synset().images
    assert images.min() == 0
    assert images.max() == 1


def test_a_synset_loads_where_only_its_decoder_is_installed(synset: Synset, tmp_path: Path) -> None:
    pipeline = {**synset.header.pipeline, "objective": {"type": "not-installed"}}
    header = synset.header.model_copy(update={"pipeline": pipeline})
    Synset(header, synset.decoder, synset.codes).save(tmp_path / "s")
    loaded = Synset.load(tmp_path / "s")
    assert torch.equal(loaded.images, synset.images)
    with pytest.raises(InputError, match="objective: unknown type 'not-installed'"):
        _ = loaded.pipeline


def test_a_decoder_that_is_not_installed_is_named(synset: Synset, tmp_path: Path) -> None:
    pipeline = {**synset.header.pipeline, "decoder": {"type": "frequency"}}
    header = synset.header.model_copy(update={"pipeline": pipeline})
    Synset(header, synset.decoder, synset.codes).save(tmp_path / "s")
    problem = r"decoder .*install .*idc-core .*\nunknown type 'frequency' \(installed: .*raw"
    with pytest.raises(InputError, match=problem):
        Synset.load(tmp_path / "s")


def rewritten(synset: Synset, path: Path, codes: Codes | None = None, **header: object) -> Path:
    if codes is not None:
        header = {"budget": budget(codes), "tensors": digest(codes), **header}
    changed = synset.header.model_copy(update=header)
    Synset(changed, synset.decoder, synset.codes if codes is None else codes).save(path)
    return path


@pytest.mark.parametrize("images", [torch.zeros(10, 2, 1, 8, 4), torch.full((10, 2, 1, 8, 8), float("nan"))])
def test_tensors_that_are_not_the_headers_are_refused(synset: Synset, tmp_path: Path, images: Tensor) -> None:
    path = rewritten(synset, tmp_path / "s", {"images": images})
    with pytest.raises(
        InputError, match=r"damaged; .* 80 finite images .*\(1, 8, 8\).*; copy or create it again"
    ):
        Synset.load(path)


@pytest.mark.parametrize("codes", [{"pixels": torch.zeros(10, 2, 1, 8, 8)}, {"images": torch.zeros(10, 2)}])
def test_tensors_that_do_not_decode_are_refused(synset: Synset, tmp_path: Path, codes: Codes) -> None:
    with pytest.raises(
        InputError, match=r"(?s)damaged; the stored tensors .*header .*; copy or create it again"
    ):
        Synset.load(rewritten(synset, tmp_path / "s", codes))


def test_it_says_what_it_is(synset: Synset) -> None:
    assert repr(synset) == "<Synset 'idc': 80 images of 1x8x8 in 10 classes, 1,280 stored numbers>"


def test_the_versions_include_the_plugins_used() -> None:
    flipped = condense(small_pipeline(iterations=0, decoder={"type": "flip"}), device="cpu").synset()
    assert flipped.header.versions["idc-example-plugin"] == "0.1.0"
