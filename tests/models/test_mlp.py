"""The multilayer perceptron: parameters as the public code has them, and its layers."""

import pytest
import torch
from torch import nn

from golden_cases import assert_exact
from idc_models.mlp import MLP

from .model_cases import (
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
    network_of,
)


@pytest.mark.parametrize("name", golden_models("mlp"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    assert_golden(name, MLP())


def test_features_are_the_hidden_layers() -> None:
    assert feature_shapes(MLP(depth=3, width=5), image_spec(1, 4, 7)) == [(5,)] * 3


def test_logits_are_three_linear_layers_with_relu_between() -> None:
    network = network_of(MLP(width=6), image_spec(height=4))
    images = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    first, first_bias, second, second_bias, last, last_bias = network.weights.values()
    hidden = nn.functional.relu(images.flatten(1) @ first.T + first_bias)
    hidden = nn.functional.relu(hidden @ second.T + second_bias)
    assert_exact(network.logits(images), hidden @ last.T + last_bias)


def test_gradients_can_be_matched() -> None:
    assert_gradients_can_be_matched(MLP(), image_spec(height=8))
