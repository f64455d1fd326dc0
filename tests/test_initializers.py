"""Initializers: which real images become the first codes."""

import pytest
import torch

from idc.data import Split
from idc.decoders.multiformation import MultiFormation
from idc.decoders.raw import Raw
from idc.errors import InputError
from idc.initializers.mix import Mix
from idc.initializers.noise import Noise
from idc.initializers.random import Random
from idc.kinds import Initializer
from idc.seeding import Streams
from idc.testing import SPEC, toy_split


def numbered(per_class: int) -> Split:
    """A split whose images are constant: the image at position i has the value i."""
    count = per_class * len(SPEC.classes)
    pixels = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1).expand(count, *SPEC.shape)
    # Classes alternate, so that a class's members are not neighbours.
    return Split(pixels, torch.arange(count) % len(SPEC.classes), SPEC)


def values(codes: dict[str, torch.Tensor]) -> list[list[int]]:
    first_pixels = codes["images"][..., 0, 0, 0] * 255
    return [[round(value) for value in row] for row in first_pixels.tolist()]


def test_random_in_file_order_takes_the_first_images_of_each_class() -> None:
    codes = Random(order="file").codes(Raw(), 3, numbered(10), Streams(0))
    assert values(codes) == [[0, 2, 4], [1, 3, 5]]


def test_random_draws_different_images_of_the_class_by_seed() -> None:
    first, second = (values(Random().codes(Raw(), 5, numbered(50), Streams(seed))) for seed in (0, 1))
    assert first != second
    for label, row in enumerate(first):
        assert len(set(row)) == 5
        assert all(value % 2 == label for value in row)


def test_mix_in_file_order_fills_tile_after_tile() -> None:
    codes = Mix(order="file").codes(MultiFormation(factor=2), 2, numbered(10), Streams(0))
    images = (codes["images"] * 255).round()
    # Tile k of stored image q is the class's image k * 2 + q.
    assert images[0, 0, 0, ::4, ::4].tolist() == [[0, 4], [8, 12]]
    assert images[0, 1, 0, ::4, ::4].tolist() == [[2, 6], [10, 14]]
    assert images[1, 0, 0, ::4, ::4].tolist() == [[1, 5], [9, 13]]


def test_mix_with_a_decoder_that_does_not_pack_is_random() -> None:
    split, streams = numbered(20), Streams(3)
    assert values(Mix().codes(Raw(), 4, split, streams)) == values(Random().codes(Raw(), 4, split, streams))


def test_noise_is_centred_in_the_value_range_and_clamped() -> None:
    spec = SPEC.model_copy(update={"height": 64, "width": 64})
    images = Noise().codes(Raw(), 20, Split(torch.zeros(2, 3, 64, 64), torch.arange(2), spec), Streams(0))
    noise = images["images"]
    assert noise.shape == (2, 20, 3, 64, 64)
    assert noise.min() == 0
    assert noise.max() == 1
    # Of 0.5 + z/4 clamped at two standard deviations: mean 0.5, sd 0.2399 (n = 491,520).
    assert noise.mean().item() == pytest.approx(0.5, abs=0.002)
    assert noise.std().item() == pytest.approx(0.2399, abs=0.002)


@pytest.mark.parametrize(
    ("initializer", "asked", "problem"),
    [
        (Random(), 4, "init 'random' takes 4, 1 for each of 4 stored; allowed are 1 to 3, or"),
        (Mix(), 4, "init 'mix' with decoder 'multiformation' takes 16, 4 for each of 4 stored;"),
    ],
)
def test_a_class_with_too_few_images_is_named(initializer: Initializer, asked: int, problem: str) -> None:
    with pytest.raises(InputError) as error:
        initializer.codes(MultiFormation(factor=2), asked, toy_split(3), Streams(0))
    assert str(error.value) == (
        f"images_per_class: class 'left' has 3 training images, but {problem} start from "
        '[init] type = "noise"'
    )
