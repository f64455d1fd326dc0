"""DenseNet: parameters as the public code has them, sizes and second derivatives."""

import pytest
import torch
from torch import nn

from golden_cases import assert_exact
from idc.errors import InputError
from idc_models.densenet import DenseLayer, DenseNet
from messages import assert_names

from .model_cases import (
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
)


@pytest.mark.parametrize("name", golden_models("densenet"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    assert_golden(name, DenseNet())


def test_features_are_the_blocks_and_their_average() -> None:
    expected = [(24, 32, 32), (48, 16, 16), (96, 8, 8), (192, 4, 4), (384, 4, 4), (384,)]
    assert feature_shapes(DenseNet(), image_spec()) == expected
    assert feature_shapes(DenseNet(growth=5, blocks=(1, 3)), image_spec(1, 9, 6)) == [
        *((10, 9, 6), (7, 4, 3), (22, 4, 3), (22,))
    ]


def test_a_layer_adds_to_what_it_was_given() -> None:
    layer = DenseLayer(3, growth=2).double()
    images = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    bn1, _, conv1, bn2, _, conv2 = layer.get_submodule("added").children()
    added = conv2(nn.functional.relu(bn2(conv1(nn.functional.relu(bn1(images))))))
    assert_exact(layer(images), torch.cat([images, added], 1))


def test_gradients_can_be_matched() -> None:
    assert_gradients_can_be_matched(DenseNet(growth=4, blocks=(2, 2)), image_spec(height=8))


def test_images_that_are_too_small_are_refused() -> None:
    assert feature_shapes(DenseNet(), image_spec(height=16))[4] == (384, 2, 2)
    with pytest.raises(InputError) as error:
        DenseNet().build(image_spec(height=15))
    parts = ("16x16 pixels", "3 halvings", "2x2", "15x15", "enlarge", "'convnet'")
    assert_names(str(error.value), "model.type: 'densenet' ", *parts)
