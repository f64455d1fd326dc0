"""Images that cannot be read, and reading many without keeping many."""

import time
import warnings

import pytest
import torch
from torch import Tensor

from idc.data.examples import ArrayExamples
from idc.errors import InputError, Notice
from messages import assert_names

from .toy_dataset import Made, Source, load, noise


def broken(*positions: int):
    """Makes noise, but fails at some positions."""

    def make(position: int) -> Tensor:
        if position in positions:
            raise OSError("truncated file")
        return noise(position)

    return make


def test_unreadable_images_are_counted_and_the_first_are_named() -> None:
    with pytest.raises(InputError) as error:
        load(Source.of(broken(1, 3, *range(6, 12), 1002)))
    first = [f"number {position} (truncated file)" for position in (1, 3, 6, 7, 8)]
    assert_names(str(error.value), "dataset: 9 of 36 ", *first, "…", 'dataset.on_error = "skip"')
    assert "number 9" not in str(error.value)


def test_unreadable_images_are_left_out_if_asked() -> None:
    source = Source.of(broken(1, 13, 1002))
    for _ in range(2):
        with pytest.warns(Notice, match=r"skipped: 3 of 36 .*number 1 \(truncated file\).*number 2 \("):
            data = load(source, on_error="skip")
        assert data.train.labels.bincount().tolist() == [5, 6, 5]
        kept = [position for position in range(18) if position not in (1, 13)]
        assert torch.equal(data.train.pixels, torch.stack([noise(position) for position in kept]))
        assert len(data.test) == 17
    assert source.train.reads == 18  # pyright: ignore[reportAttributeAccessIssue]


def test_a_class_without_readable_images_is_refused() -> None:
    with pytest.warns(Notice), pytest.raises(InputError, match="class 'dog' has no training images"):
        load(Source.of(broken(*range(6, 12))), on_error="skip")


def test_nothing_readable_is_refused() -> None:
    with pytest.raises(InputError, match=r"^dataset: no training .*number 0 \(truncated file\)"):
        load(Source.of(broken(*range(18))), on_error="skip")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("ready", [True, False])
def test_pixels_that_are_not_finite_are_unreadable(value: float, ready: bool) -> None:
    pixels = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    pixels[4, 0, 1, 1] = value
    labels = torch.arange(3).repeat_interleave(2)
    examples = ArrayExamples(pixels, labels) if ready else Made(labels, lambda position: pixels[position])
    source = Source(examples, examples)
    with pytest.raises(
        InputError, match=r"2 of 12 examples cannot be read: \w+ 4 \(has NaN or infinite pixels\)"
    ):
        load(source)
    with pytest.warns(Notice):
        data = load(source, on_error="skip")
    assert data.train.labels.tolist() == [0, 0, 1, 1, 2]
    assert data.train.pixels.isfinite().all()


def test_images_of_different_shapes_need_a_size() -> None:
    with pytest.raises(InputError) as error:
        load(Source.of(lambda position: torch.zeros(3, 8, 8 + position // 10).byte()))
    parts = ("number 0 is 3x8x8", "number 10 is 3x8x9", "dataset.size", "dataset.channels")
    assert_names(str(error.value), "dataset: ", *parts)


def test_odd_channels_are_unreadable_where_others_are_wanted() -> None:
    with pytest.raises(InputError, match=r"has 4 channels, which cannot be converted to 3"):
        load(Source.of(lambda _: torch.zeros(4, 8, 8).byte()), channels=3)


def test_warnings_of_decoders_are_not_shown() -> None:
    def make(position: int) -> Tensor:
        warnings.warn("Corrupt EXIF data", UserWarning, 2)
        return noise(position)

    assert len(load(Source.of(make)).train) == 18


def test_progress_goes_from_little_to_all() -> None:
    shares: list[float] = []
    load(Source.of(noise, 100), shares.append)
    assert shares == sorted(shares)
    assert len(shares) > 2
    assert shares[-1] == 1


def test_the_order_does_not_depend_on_who_is_ready_first() -> None:
    def make(position: int) -> Tensor:
        # The first blocks take longest.
        time.sleep(max(0, 0.002 - 1e-5 * position))
        return noise(position)

    data = load(Source.of(make, 100))
    assert torch.equal(data.train.pixels, torch.stack([noise(position) for position in range(300)]))
