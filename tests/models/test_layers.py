"""What the architectures share, and that every golden network has its test."""

import re

import pytest
import torch

from golden_cases import assert_exact
from idc_models.layers import ConvLayer, channel_norm

from .model_cases import MODELS, MODULES


@pytest.mark.parametrize("name", MODELS)
def test_every_golden_network_belongs_to_one_module(name: str) -> None:
    assert len([module for module, pattern in MODULES.items() if re.match(pattern, name)]) == 1


def test_instance_normalisation_is_the_same_in_evaluation() -> None:
    norm = channel_norm("instance", 3)
    images = torch.rand(2, 3, 4, 4)
    trained = norm(images)
    assert torch.equal(norm.eval()(images), trained)
    assert_exact(trained.mean((2, 3)), torch.zeros(2, 3), atol=1e-6)
    assert not list(norm.buffers())


@pytest.mark.parametrize(("pool", "side"), [(False, 5), (True, 2)])
def test_a_convolution_layer_gives_positive_maps(pool: bool, side: int) -> None:
    maps = ConvLayer(3, 6, kernel=5, padding=2, norm="batch", pool=pool)(torch.rand(2, 3, 5, 5))
    assert maps.shape == (2, 6, side, side)
    assert bool((maps >= 0).all())
