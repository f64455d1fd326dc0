"""Initializers: which real images become the first codes."""

import pytest
import torch

from golden_cases import load_golden
from idc.data.split import Split
from idc.errors import InputError
from idc.kinds import Initializer
from idc.seeding import Streams
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.decoders.raw import Raw
from idc.stages.initializers.features import Features
from idc.stages.initializers.herding import Herding, herded
from idc.stages.initializers.k_center import KCenter, centers
from idc.stages.initializers.mix import Mix
from idc.stages.initializers.noise import Noise
from idc.stages.initializers.random import Random
from idc.testing import SPEC, ToyModel, toy_split
from messages import assert_names


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
    codes = Random(order="file").codes(Raw(), 3, numbered(10), ToyModel(), Streams(0))
    assert values(codes) == [[0, 2, 4], [1, 3, 5]]


def test_random_draws_different_images_of_the_class_by_seed() -> None:
    first, second = (
        values(Random().codes(Raw(), 5, numbered(50), ToyModel(), Streams(seed))) for seed in (0, 1)
    )
    assert first != second
    for label, row in enumerate(first):
        assert len(set(row)) == 5
        assert all(value % 2 == label for value in row)


def test_mix_in_file_order_fills_tile_after_tile() -> None:
    codes = Mix(order="file").codes(MultiFormation(factor=2), 2, numbered(10), ToyModel(), Streams(0))
    images = (codes["images"] * 255).round()
    # Tile k of stored image q is the class's image k * 2 + q.
    assert images[0, 0, 0, ::4, ::4].tolist() == [[0, 4], [8, 12]]
    assert images[0, 1, 0, ::4, ::4].tolist() == [[2, 6], [10, 14]]
    assert images[1, 0, 0, ::4, ::4].tolist() == [[1, 5], [9, 13]]


def test_mix_with_a_decoder_that_does_not_pack_is_random() -> None:
    mix, random = (init.codes(Raw(), 4, numbered(20), ToyModel(), Streams(3)) for init in (Mix(), Random()))
    assert values(mix) == values(random)


def test_noise_is_centred_in_the_value_range_and_clamped() -> None:
    spec = SPEC.model_copy(update={"height": 64, "width": 64})
    images = Noise().codes(
        Raw(), 20, Split(torch.zeros(2, 3, 64, 64), torch.arange(2), spec), ToyModel(), Streams(0)
    )
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
        (Random(), 4, ["'random'", " 4", "at most 3"]),
        (Mix(), 4, ["'mix'", "'multiformation'", " 16", "4 stored images"]),
    ],
)
def test_a_class_with_too_few_images_is_named(
    initializer: Initializer, asked: int, problem: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        initializer.codes(MultiFormation(factor=2), asked, toy_split(3), ToyModel(), Streams(0))
    assert_names(str(error.value), "images_per_class: ", "'left'", " 3 ", *problem, '[init] type = "noise"')


def test_herding_is_the_public_codes() -> None:
    case = load_golden("herding")
    selections = [name for name in case.tensors if name.startswith("selected.ipc")]
    assert selections
    for name in selections:
        for label, expected in enumerate(case[name]):
            members = (case["labels"] == label).nonzero().flatten()
            assert torch.equal(members[herded(case["features"][members], len(expected))], expected)


def test_herding_takes_no_image_twice() -> None:
    assert sorted(herded(torch.zeros(4, 2), 9).tolist()) == [0, 1, 2, 3]


def test_k_center_begins_in_the_middle_and_goes_to_the_far_ends() -> None:
    features = torch.tensor([[0.0], [10.0], [5.1], [9.0], [1.0]])
    assert centers(features, 3).tolist() == [2, 0, 1]
    assert sorted(centers(torch.zeros(3, 2), 9).tolist()) == [0, 1, 2]


def test_every_image_is_near_a_center() -> None:
    features = torch.rand(200, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    chosen = features[centers(features, 20)]
    random = features[:20]
    assert torch.cdist(features, chosen).amin(1).max() < torch.cdist(features, random).amin(1).max()


@pytest.mark.parametrize(
    "initializer", [Herding(features=Features(epochs=1)), KCenter(features=Features(epochs=1))]
)
def test_coresets_are_real_images_of_their_class(initializer: Initializer) -> None:
    split = toy_split(30)
    codes = initializer.codes(Raw(), 4, split, ToyModel(), Streams(0))
    for label in range(2):
        real = split.images(split.members[label])
        for image in codes["images"][label]:
            assert (real == image).flatten(1).all(1).any()


def test_herded_images_have_nearly_the_mean_of_all() -> None:
    split, features = toy_split(200), Features(epochs=0)
    network = features.network(ToyModel(), split, Streams(0))
    members = split.members[0]
    found = features.of(network, split, members)
    errors = [
        (found[some].mean(0) - found.mean(0)).norm()
        for some in (herded(found, 10), *torch.arange(200).split(10))
    ]
    assert min(errors) == errors[0], "no ten in the order of the files come as near"


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError) as error:
        Herding(features=Features(epochs=0, layer=2)).codes(Raw(), 1, toy_split(3), ToyModel(), Streams(0))
    assert str(error.value) == ("init.features.layer: 2 is not a layer of this network; allowed are -2 to 1")
