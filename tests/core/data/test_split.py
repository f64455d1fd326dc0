"""Splits and their statistics."""

import gc
import weakref

import pytest
import torch

from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.testing import SPEC, toy_split
from messages import assert_names


def test_statistics_are_those_of_the_training_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (50, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(50) % 2
    data = RealData.of((pixels, labels), (pixels[:10], labels[:10]), ("a", "b"))
    unit = pixels.double() / 255
    assert data.spec.mean == pytest.approx(unit.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert data.spec.std == pytest.approx(unit.std((0, 2, 3), correction=0).tolist(), abs=1e-12)
    given = RealData.of((pixels, labels), (pixels, labels), ("a", "b"), (0.5,) * 3, (0.25,) * 3)
    assert given.spec.mean == (0.5, 0.5, 0.5)
    assert given.spec.std == (0.25, 0.25, 0.25)


def test_bytes_become_0_to_1_and_floats_stay() -> None:
    split = toy_split(2)
    assert torch.equal(split.images(torch.tensor([1]))[0], split.pixels[1].float() / 255)
    floats = Split(torch.randn(4, *SPEC.shape), split.labels, SPEC)
    assert torch.equal(floats.images(), floats.pixels)


def test_members_are_each_classs_positions_in_file_order() -> None:
    split = Split(torch.zeros(4, *SPEC.shape), torch.tensor([1, 0, 1, 0]), SPEC)
    assert [members.tolist() for members in split.members] == [[1, 3], [0, 2]]


def test_fingerprints_tell_data_apart() -> None:
    assert toy_split().fingerprint() == toy_split().fingerprint()
    different = {
        toy_split().fingerprint(),
        toy_split(seed=1).fingerprint(),
        Split(toy_split().pixels, toy_split().labels.flip(0), SPEC).fingerprint(),
        Split(toy_split().pixels.transpose(2, 3), toy_split().labels, SPEC).fingerprint(),
    }
    assert len(different) == 4


def test_empty_splits_and_classes_are_refused() -> None:
    pixels, labels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(InputError, match="the test split has no images"):
        RealData.of((pixels, labels), (pixels[:0], labels[:0]), ("a",))
    with pytest.raises(InputError, match="class 'b' has no training images"):
        RealData.of((pixels, labels), (pixels, labels), ("a", "b"))


def test_constant_images_are_refused() -> None:
    pixels, labels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.arange(2)
    with pytest.raises(InputError, match="every training pixel of channel 0 has the same value"):
        RealData.of((pixels, labels), (pixels, labels), ("a", "b"))


@pytest.mark.parametrize(
    ("mean", "std", "problem"),
    [
        ((0.5,), (0.5,), ("mean has 1 ", "std has 1", "3", "channel")),
        ((0.5,) * 3, (0.5, 0.5, 0.0), ("std (0.5, 0.5, 0.0) ", "positive", "channel")),
        ((), None, ("mean has 0 ", "std has 3", "3", "channel")),
    ],
)
def test_statistics_that_do_not_fit_are_refused(
    mean: tuple[float, ...], std: tuple[float, ...] | None, problem: tuple[str, ...]
) -> None:
    pixels, labels = toy_split().pixels, toy_split().labels
    with pytest.raises(InputError) as error:
        RealData.of((pixels, labels), (pixels, labels), ("a", "b"), mean, std)
    assert_names(str(error.value), "dataset: ", *problem)


def test_a_single_class_is_refused() -> None:
    pixels = toy_split().pixels
    labels = torch.zeros(len(pixels), dtype=torch.int64)
    with pytest.raises(InputError) as error:
        RealData.of((pixels, labels), (pixels, labels), ("cat",))
    assert_names(str(error.value), "dataset: ", "one class", "'cat'", "two")


def test_the_images_of_some_classes_are_copied_once() -> None:
    split = toy_split()
    assert split.of_classes([0, 1]) is split
    part = split.of_classes([1])
    assert split.of_classes([1]) is part
    held = weakref.ref(part)
    del part
    gc.collect()
    assert held() is None, "not kept longer than it is used"
    assert split.of_classes([1]).labels.tolist() == [0] * (len(split) // 2)
