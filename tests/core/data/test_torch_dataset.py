"""Synsets and real images as PyTorch's data loaders take them."""

import pickle

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from idc.condensation.loop import condense
from idc.data.split import Split
from idc.errors import InputError
from idc.spec import ImageSpec
from idc.synset.synset import Synset
from small import small_pipeline


@pytest.fixture(scope="module")
def synset() -> Synset:
    return condense(small_pipeline(iterations=0), device="cpu").synset()


def test_images_are_normalised_unless_asked_otherwise(synset: Synset) -> None:
    normalised, plain = synset.dataset(), synset.dataset(normalized=False)
    mean, std = synset.spec.mean[0], synset.spec.std[0]
    for position in (0, 5, -1):
        image, label = normalised[position]
        torch.testing.assert_close(image, (plain[position][0] - mean) / std)
        torch.testing.assert_close(plain[position][0], synset.images[position])
        assert (type(label), label) == (int, int(synset.labels[position]))
    with pytest.raises(IndexError):
        normalised[len(normalised)]
    assert len(normalised) == len(synset)


def test_it_has_what_torchvisions_datasets_have(synset: Synset) -> None:
    dataset = synset.dataset()
    assert dataset.classes == [str(digit) for digit in range(10)]
    assert dataset.class_to_idx["7"] == 7
    assert dataset.targets == synset.labels.tolist()


def test_the_transform_comes_before_the_normalisation(synset: Synset) -> None:
    flipped = synset.dataset(lambda image: image.flip(-1))
    torch.testing.assert_close(flipped[0][0], synset.dataset()[0][0].flip(-1))


def test_pil_images_for_those_who_want_them(synset: Synset) -> None:
    given: list[Image.Image] = []
    image, _ = synset.dataset(lambda image: given.append(image) or "seen", pil=True, normalized=False)[0]
    assert image == "seen"
    assert (given[0].mode, given[0].size) == ("L", (8, 8))
    with pytest.raises(InputError, match=r"^normalized: PIL .*transform.*, or normalized=False"):
        synset.dataset(pil=True)
    spec = ImageSpec(channels=1, height=4, width=4, classes=("a",), high=None, mean=(0.0,), std=(1.0,))
    with pytest.raises(InputError, match=r"^pil: .*1 channels .*0 to None .*1 or 3 channels.*pil=False"):
        Split(torch.zeros(1, 1, 4, 4), torch.zeros(1, dtype=torch.long), spec).dataset(pil=True)


def test_a_data_loader_takes_it_and_so_does_another_process(synset: Synset) -> None:
    images, labels = next(iter(DataLoader(synset.dataset(), batch_size=16)))
    assert (images.shape, labels.dtype) == ((16, 1, 8, 8), torch.int64)
    again = pickle.loads(pickle.dumps(synset.dataset()))
    torch.testing.assert_close(again[3][0], synset.dataset()[3][0])


def test_real_images_are_the_same_way(synset: Synset) -> None:
    data = condense(small_pipeline(iterations=0), device="cpu").data
    image, label = data.test.dataset()[0]
    assert image.shape == (1, 8, 8)
    assert label == int(data.test.labels[0])
