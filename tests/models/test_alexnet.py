"""AlexNet: parameters as the public code has them, sizes and second derivatives."""

from typing import get_args

import pytest

from idc.errors import InputError
from idc_models.alexnet import AlexNet
from idc_models.layers import ChannelNorm
from messages import assert_names

from .model_cases import (
    MODELS,
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
)


@pytest.mark.parametrize("name", golden_models("alexnet"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    assert_golden(name, AlexNet(norm="batch" if MODELS[name]["family"].endswith("BN") else "none"))


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28)])
def test_features_are_the_layers(channels: int, size: int) -> None:
    expected = [(128, 16, 16), (192, 8, 8), (256, 8, 8), (192, 8, 8), (192, 4, 4)]
    assert feature_shapes(AlexNet(), image_spec(channels, size)) == expected


@pytest.mark.parametrize("norm", get_args(ChannelNorm))
def test_gradients_can_be_matched(norm: ChannelNorm) -> None:
    assert_gradients_can_be_matched(AlexNet(norm=norm), image_spec(height=8))


@pytest.mark.parametrize(("channels", "least"), [(3, 8), (1, 4)])
def test_images_that_are_too_small_are_refused(channels: int, least: int) -> None:
    assert feature_shapes(AlexNet(), image_spec(channels, least))[-1] == (192, 1, 1)
    with pytest.raises(InputError) as error:
        AlexNet().build(image_spec(channels, least, least - 1))
    parts = (f"{least}x{least} pixels", f"{least}x{least - 1}", "enlarge", "'convnet'")
    assert_names(str(error.value), "model.type: 'alexnet' ", *parts)
