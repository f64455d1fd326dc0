"""LeNet: parameters as the public code has them, sizes and second derivatives."""

import pytest

from idc.errors import InputError
from idc_models.lenet import LeNet
from messages import assert_names

from .model_cases import (
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
)


@pytest.mark.parametrize("name", golden_models("lenet"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    assert_golden(name, LeNet())


def test_features_are_the_layers() -> None:
    assert feature_shapes(LeNet(), image_spec()) == [(6, 14, 14), (16, 5, 5), (120,), (84,)]
    assert feature_shapes(LeNet(), image_spec(1, 28)) == [(6, 14, 14), (16, 5, 5), (120,), (84,)]


def test_gradients_can_be_matched() -> None:
    assert_gradients_can_be_matched(LeNet(), image_spec())


@pytest.mark.parametrize(("channels", "least"), [(3, 16), (1, 12)])
def test_images_that_are_too_small_are_refused(channels: int, least: int) -> None:
    assert feature_shapes(LeNet(), image_spec(channels, least))[1] == (16, 1, 1)
    with pytest.raises(InputError) as error:
        LeNet().build(image_spec(channels, least, least - 1))
    parts = (f"{least}x{least} pixels", f"{least}x{least - 1}", "enlarge", "'convnet'")
    assert_names(str(error.value), "model.type: 'lenet' ", *parts)
