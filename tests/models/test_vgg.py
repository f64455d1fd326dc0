"""VGG-11: parameters as the public code has them, sizes and second derivatives."""

from typing import get_args

import pytest

from idc.errors import InputError
from idc_models.layers import ChannelNorm
from idc_models.vgg import VGG11
from messages import assert_names

from .model_cases import (
    MODELS,
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
)


@pytest.mark.parametrize("name", golden_models("vgg"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    assert_golden(name, VGG11(norm="batch" if MODELS[name]["family"].endswith("BN") else "instance"))


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 28)])
def test_features_are_the_layers(channels: int, size: int) -> None:
    assert feature_shapes(VGG11(), image_spec(channels, size)) == [
        *((64, 16, 16), (128, 8, 8), (256, 8, 8), (256, 4, 4)),
        *((512, 4, 4), (512, 2, 2), (512, 2, 2), (512, 1, 1)),
    ]


@pytest.mark.parametrize("norm", get_args(ChannelNorm))
def test_gradients_can_be_matched(norm: ChannelNorm) -> None:
    assert_gradients_can_be_matched(VGG11(norm=norm), image_spec())


@pytest.mark.parametrize(("channels", "least"), [(3, 32), (1, 28)])
def test_images_that_are_too_small_are_refused(channels: int, least: int) -> None:
    assert feature_shapes(VGG11(), image_spec(channels, 2 * least, least))[-1][-1] == 1
    with pytest.raises(InputError) as error:
        VGG11().build(image_spec(channels, 2 * least, least - 1))
    parts = (f"{least}x{least} pixels", "five", f"{2 * least}x{least - 1}", "enlarge", "'convnet'")
    assert_names(str(error.value), "model.type: 'vgg11' ", *parts)
