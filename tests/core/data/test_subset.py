"""Which images a table wants: classes, splits, limits, sizes and channels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from idc.data.examples import ArrayExamples
from idc.errors import InputError
from idc.spec import ImageSpec
from messages import assert_names

from .toy_dataset import Made, Source, ToyDataset, load, noise


def test_all_classes_by_default() -> None:
    data = load(Source.of(noise))
    assert data.spec.classes == ("cat", "dog", "owl")
    assert (len(data.train), len(data.test)) == (18, 18)
    assert torch.equal(data.train.pixels[7], noise(7))
    assert torch.equal(data.test.pixels[0], noise(1000))


def test_some_classes_in_the_order_given() -> None:
    data = load(Source.of(noise), classes=["owl", "cat"])
    assert data.spec.classes == ("owl", "cat")
    assert data.train.labels.tolist() == [1] * 6 + [0] * 6
    assert torch.equal(data.train.pixels[data.train.members[0][0]], noise(12))
    assert data.test.labels.bincount().tolist() == [6, 6]


def test_the_order_of_the_classes_follows_its_seed() -> None:
    in_order = load(Source.of(noise))
    for seed in range(4):
        order = np.random.RandomState(seed).permutation(3)
        data = load(Source.of(noise), class_order=seed)
        assert data.spec.classes == tuple(in_order.spec.classes[label] for label in order)
        for new, old in enumerate(order):
            members, same = data.train.members[new], in_order.train.members[old]
            assert torch.equal(data.train.pixels[members], in_order.train.pixels[same])
    chosen = load(Source.of(noise), classes=["owl", "cat"], class_order=1)
    assert sorted(chosen.spec.classes) == ["cat", "owl"]


def test_the_order_of_seed_0_is_that_of_idcs_experiment() -> None:
    # The published list, of which each step of 20 classes is sorted.
    steps = np.random.RandomState(0).permutation(100).reshape(5, 20)
    assert [sorted(step.tolist())[:5] for step in steps] == [
        [2, 7, 8, 13, 16],
        [3, 6, 18, 27, 43],
        [0, 1, 4, 5, 11],
        [10, 14, 19, 20, 29],
        [9, 12, 21, 25, 36],
    ]


@pytest.mark.parametrize(
    ("classes", "parts"),
    [
        (["cat", "dig"], ("dataset.classes: ", "'dig'", "the test", "'dog'?", "cat, dog, owl")),
        (["cat", "cat"], ("dataset.classes: 'cat' ", "twice", "once")),
        (["cat"], ("dataset: ", "one class", "'cat'", "two")),
    ],
)
def test_classes_that_are_not_there_are_refused(classes: list[str], parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as error:
        load(Source.of(noise), classes=classes)
    assert_names(str(error.value), *parts)


def test_a_test_split_is_drawn_from_each_class() -> None:
    data = load(replace(Source.of(noise, 10), test=None), test_fraction=0.2)
    assert data.train.labels.bincount().tolist() == [8, 8, 8]
    assert data.test.labels.bincount().tolist() == [2, 2, 2]
    seen = {tuple(image.flatten().tolist()) for split in (data.train, data.test) for image in split.pixels}
    assert seen == {tuple(noise(position).flatten().tolist()) for position in range(30)}


def test_the_drawn_split_depends_on_its_seed_and_the_class_alone() -> None:
    source = Source.of(noise, 10)
    first, again, other = (load(source, test_fraction=0.3, subset_seed=seed) for seed in (0, 0, 1))
    assert first.test.fingerprint() == again.test.fingerprint() != other.test.fingerprint()
    fewer = load(source, test_fraction=0.3, classes=["dog", "owl"])
    assert torch.equal(fewer.test.pixels, first.test.pixels[first.test.labels > 0])


def test_a_class_of_one_image_stays_in_training() -> None:
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    data = load(Source(Made(labels, noise), None), test_fraction=0.9)
    assert data.train.labels.bincount().tolist() == [1, 1, 1]


def test_without_a_test_split_the_message_says_how_to_make_one() -> None:
    with pytest.raises(InputError, match=r"the test has no test split.*dataset\.test_fraction = 0\.2"):
        load(replace(Source.of(noise), test=None))


def test_a_limit_holds_for_training_and_keeps_the_order() -> None:
    source = Source.of(noise, 10)
    data, other = (load(source, limit=4, subset_seed=seed) for seed in (0, 1))
    assert data.train.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(data.test) == 30
    assert data.train.fingerprint() != other.train.fingerprint()
    assert len(load(source, limit=400).train) == 30


def test_labels_out_of_range_are_refused() -> None:
    labels = torch.tensor([0, 1, 2, 3, -1])
    with pytest.raises(InputError) as error:
        load(Source(ArrayExamples(torch.zeros(5, 1, 2, 2).byte(), labels), None))
    assert_names(str(error.value), "dataset: ", "image 3 ", "label 3", "1 other", "0 to 2", "3 classes")


def test_an_empty_class_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^dataset: class 'owl' has no training images; add .*dataset\.classes"
    ):
        load(Source(Made(torch.tensor([0, 1]), noise), Made(torch.tensor([0, 1]), noise)))


def test_sizes_and_channels_are_brought_to_one() -> None:
    shapes = [(3, 8, 12), (1, 20, 9), (3, 5, 5)]

    def make(position: int) -> torch.Tensor:
        return torch.full(shapes[position % 3], 200, dtype=torch.uint8)

    data = load(Source.of(make), size=6, channels=1, mean=[0.5], std=[0.5])
    assert data.train.pixels.shape == (18, 1, 6, 6)
    assert set(data.train.pixels.unique().tolist()) <= {199, 200}
    assert load(Source.of(make), size=6, channels=3, mean=[0.5] * 3, std=[0.5] * 3).spec.shape == (3, 6, 6)


def test_a_very_long_image_takes_no_more_memory_than_another() -> None:
    data = load(Source.of(lambda _: torch.arange(100_000).remainder(256).byte().expand(3, 1, -1)), size=32)
    assert data.spec.shape == (3, 32, 32)


def test_arrays_that_are_as_wanted_are_taken_as_they_are() -> None:
    pixels = torch.stack([noise(position) for position in range(18)])
    examples = ArrayExamples(pixels, torch.arange(3).repeat_interleave(6))
    data = load(Source(examples, examples))
    assert data.train.pixels is pixels


def test_mean_and_deviation_are_of_the_training_split_as_chosen() -> None:
    data = load(Source.of(noise), classes=["cat", "owl"], limit=3)
    unit = data.train.images().double().transpose(0, 1).flatten(1)
    assert data.spec.mean == pytest.approx(unit.mean(1).tolist(), rel=1e-6)
    assert data.spec.std == pytest.approx(unit.std(1, correction=0).tolist(), rel=1e-6)


def test_what_a_dataset_does_to_an_image_is_done_to_arrays_too() -> None:
    class Inverted(ToyDataset):
        def shaped(self, image: torch.Tensor) -> torch.Tensor:
            return 255 - image

    pixels = torch.stack([noise(position) for position in range(18)])
    examples = ArrayExamples(pixels, torch.arange(3).repeat_interleave(6))
    Inverted.source = Source(examples, examples)
    data = Inverted.model_validate({}).load(Path())
    assert torch.equal(data.train.pixels, 255 - pixels)


def test_splits_of_different_shapes_are_refused() -> None:
    labels = torch.arange(3).repeat_interleave(2)
    train, test = (ArrayExamples(torch.zeros(6, 1, size, size).byte(), labels) for size in (8, 16))
    train.pixels[:, :, 0] = 200
    with pytest.raises(InputError) as error:
        load(Source(train, test))
    parts = ("training", "(1, 8, 8) uint8", "test", "(1, 16, 16) uint8", "dataset.size", "dataset.channels")
    assert_names(str(error.value), "dataset: ", *parts)
    assert load(Source(train, test), size=8).spec.shape == (1, 8, 8)


def test_folders_of_classes_have_names_that_every_system_allows() -> None:
    classes = ("cat", "..", "a/b", "a_b", "x\0y", "Kätzchen", ".", "a:b", "")
    spec = ImageSpec(channels=1, height=1, width=1, classes=classes, mean=(0.5,), std=(0.5,))
    names = spec.folder_names()
    assert names == ("cat", "0001-", "0002-a_b", "0003-a_b", "x_y", "Kätzchen", "0006-", "0007-a_b", "0008-")
