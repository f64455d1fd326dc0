"""The ConvNet: forward values and parameters as the public code has them (float64)."""

import math
from itertools import product
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from golden_cases import assert_exact, golden_convnet, load_golden
from idc.errors import InputError
from idc_models import convnet
from idc_models.convnet import ConvNet
from messages import assert_names

from .model_cases import (
    MODELS,
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
)


def test_forward_and_features_are_the_golden_ones() -> None:
    case = load_golden("forward_convnet3_w8_s32")
    network = golden_convnet(case, int(case.header["n_classes"]))
    assert_exact(network.logits(case["input"]), case["logits"])
    for layer, features in enumerate(network.features(case["input"])):
        assert_exact(features, case[f"feature{layer}"])


def stage(name: str) -> ConvNet:
    """The stage of a golden network; DC's names say what differs from its default."""
    if name.startswith("idc."):
        return ConvNet(depth=MODELS[name]["depth"], width=MODELS[name]["width"])
    fields = {
        "": {},
        **{"BN": {"norm": "batch"}, "LN": {"norm": "layer"}, "GN": {"norm": "group"}, "NN": {"norm": "none"}},
        **{"NP": {"pooling": "none"}, "MP": {"pooling": "max"}, "ASwish": {"activation": "swish"}},
        **{"W32": {"width": 32}, "W256": {"width": 256}, "D1": {"depth": 1}, "D4": {"depth": 4}},
    }
    return ConvNet.model_validate(fields[name.split(".")[1].removeprefix("ConvNet")])


@pytest.mark.parametrize("name", golden_models("convnet"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    # DC declares each block's norm after its convolution, IDC and we all norms after all convolutions.
    assert_golden(name, stage(name), in_order=name.startswith("idc."))


def test_the_default_is_named_and_drawn_as_ever() -> None:
    torch.manual_seed(0)
    module = ConvNet(depth=2, width=4).build(image_spec(height=8))
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(16, 2)]
    drawn = [parameter for layer in layers for parameter in layer.parameters()]
    assert list(module.state_dict()) == [
        *("layers.conv.0.weight", "layers.conv.0.bias", "layers.conv.1.weight", "layers.conv.1.bias"),
        *("layers.norm.0.weight", "layers.norm.0.bias", "layers.norm.1.weight", "layers.norm.1.bias"),
        *("classifier.weight", "classifier.bias"),
    ]
    found = [parameter for name, parameter in module.named_parameters() if "norm" not in name]
    assert all(map(torch.equal, found, drawn))


def test_the_720_networks_of_dcs_architecture_search() -> None:
    grid = list(
        product(
            (32, 64, 128, 256),
            (1, 2, 3, 4),
            get_args(convnet.Norm),
            ("sigmoid", "relu", "leaky-relu"),
            get_args(convnet.Pooling),
        )
    )
    assert len(grid) == 720
    spec = image_spec(classes=10)
    for width, depth, norm, activation, pooling in grid:
        fields = {"width": width, "depth": depth, "norm": norm, "activation": activation, "pooling": pooling}
        with torch.device("meta"):
            module = ConvNet.model_validate(fields).build(spec)
        sides = [32 if pooling == "none" else 32 >> block for block in range(depth + 1)]
        count = sum((width if block else 3) * width * 9 + width for block in range(depth))
        if norm == "layer":
            count += sum(2 * width * side**2 for side in sides[:-1])
        elif norm != "none":
            count += 2 * width * depth
        count += width * sides[-1] ** 2 * 10 + 10
        assert sum(parameter.numel() for parameter in module.parameters()) == count, fields


@pytest.mark.parametrize("pooling", get_args(convnet.Pooling))
@pytest.mark.parametrize("activation", get_args(convnet.Activation))
@pytest.mark.parametrize("norm", get_args(convnet.Norm))
def test_gradients_can_be_matched(norm: str, activation: str, pooling: str) -> None:
    fields = {"depth": 2, "width": 8, "norm": norm, "activation": activation, "pooling": pooling}
    assert_gradients_can_be_matched(ConvNet.model_validate(fields), image_spec(height=8))


@pytest.mark.parametrize(
    ("norm", "axes"), [("instance", (2, 3)), ("batch", (0, 2, 3)), ("layer", (1, 2, 3)), ("group", (2, 3, 4))]
)
def test_what_is_normalised_together(norm: str, axes: tuple[int, ...]) -> None:
    fields = {"depth": 1, "width": 8, "norm": norm, "pooling": "none"}
    module = ConvNet.model_validate(fields).build(image_spec(height=8)).double()
    images = torch.rand(3, 3, 8, 8, dtype=torch.float64)
    layers = module.get_submodule("layers")
    maps = layers.get_submodule("conv.0")(images)
    grouped = maps.unflatten(1, (4, 2)) if norm == "group" else maps
    mean, variance = grouped.mean(axes, keepdim=True), grouped.var(axes, correction=0, keepdim=True)
    expected = ((grouped - mean) / (variance + 1e-5).sqrt()).reshape(maps.shape)
    assert_exact(layers.get_submodule("norm.0")(maps), expected)


@pytest.mark.parametrize(
    ("activation", "values"),
    [
        ("relu", [0.0, 2.0]),
        ("sigmoid", [1 / (1 + math.e), 1 / (1 + math.exp(-2))]),
        ("leaky-relu", [-0.01, 2.0]),
        ("swish", [-1 / (1 + math.e), 2 / (1 + math.exp(-2))]),
    ],
)
def test_activations(activation: convnet.Activation, values: list[float]) -> None:
    found = convnet.ACTIVATIONS[activation](torch.tensor([-1.0, 2.0], dtype=torch.float64))
    assert_exact(found, torch.tensor(values, dtype=torch.float64))


def test_groups_that_are_not_whole_are_refused() -> None:
    with pytest.raises(
        ValidationError,
        match=r"norm 'group' .*4 groups.*width 6 .*multiple of 4; .*width, or norm = 'instance'",
    ):
        ConvNet(width=6, norm="group")


def test_without_pooling_any_depth_fits() -> None:
    shapes = feature_shapes(ConvNet(depth=5, width=4, pooling="none"), image_spec(1, 8))
    assert shapes == [(4, 12, 12)] * 5
    with pytest.raises(InputError, match=r"^model\.depth: 1 .*1x1 pixels; set model\.pooling = 'none'"):
        ConvNet(depth=1).build(image_spec(height=1))


@pytest.mark.parametrize(("channels", "size", "deepest"), [(3, 8, 3), (1, 8, 3), (1, 12, 4), (3, 31, 4)])
def test_blocks_that_leave_nothing_are_refused(channels: int, size: int, deepest: int) -> None:
    spec = image_spec(channels, size, classes=1)
    module = ConvNet(depth=deepest, width=2).build(spec)
    assert module(torch.rand(1, *spec.shape)).shape == (1, 1)
    with pytest.raises(InputError) as error:
        ConvNet(depth=deepest + 1, width=2).build(spec)
    said = str(error.value)
    assert_names(said, f"model.depth: {deepest + 1} ", f"{size}x{size} pixels", f"1 to {deepest}")
