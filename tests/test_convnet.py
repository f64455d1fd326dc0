"""The ConvNet: forward values and parameters as the public code has them (float64)."""

import json

import pytest
import torch

from golden_cases import GOLDEN, assert_exact, golden_convnet, load_golden
from idc.errors import InputError
from idc.spec import ImageSpec
from idc_models.convnet import ConvNet

MODELS = json.loads((GOLDEN / "models.json").read_text())


def test_forward_and_features_are_the_golden_ones() -> None:
    case = load_golden("forward_convnet3_w8_s32")
    network = golden_convnet(case, int(case.header["n_classes"]))
    assert_exact(network.logits(case["input"]), case["logits"])
    for layer, features in enumerate(network.features(case["input"])):
        assert_exact(features, case[f"feature{layer}"])


@pytest.mark.parametrize("name", [name for name in MODELS if name.startswith("idc.convnet")])
def test_parameters_are_those_of_idc(name: str) -> None:
    golden = MODELS[name]
    _, channels, height, width = golden["input_shape"]
    spec = ImageSpec(
        channels=channels,
        height=height,
        width=width,
        classes=tuple(map(str, range(golden["output_shape"][1]))),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )
    module = ConvNet(depth=golden["depth"], width=golden["width"]).build(spec)
    shapes = [list(parameter.shape) for parameter in module.parameters()]
    assert shapes == golden["parameter_shapes"]
    assert sum(parameter.numel() for parameter in module.parameters()) == golden["parameter_count"]
    assert list(module(torch.rand(golden["input_shape"])).shape) == golden["output_shape"]


@pytest.mark.parametrize(("channels", "size", "deepest"), [(3, 8, 3), (1, 8, 3), (1, 12, 4), (3, 31, 4)])
def test_blocks_that_leave_nothing_are_refused(channels: int, size: int, deepest: int) -> None:
    spec = ImageSpec(
        channels=channels, height=size, width=size, classes=("a",), mean=(0,) * channels, std=(1,) * channels
    )
    module = ConvNet(depth=deepest, width=2).build(spec)
    assert module(torch.rand(1, *spec.shape)).shape == (1, 1)
    with pytest.raises(InputError) as error:
        ConvNet(depth=deepest + 1, width=2).build(spec)
    assert str(error.value) == (
        f"model.depth: {deepest + 1} blocks halve {size}x{size} pixels to nothing; allowed are 1 to {deepest}"
    )
