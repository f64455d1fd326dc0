"""The golden networks, and what it takes to be one of them; what every network must be able to do."""

import json
import re
from typing import Any

import torch

from golden_cases import GOLDEN
from idc.kinds import Model
from idc.network.network import FeatureNetwork, Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch
from idc.spec import ImageSpec
from idc.stages.objectives.gradient import Gradient

MODELS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "models.json").read_text())

MODULES = {
    "convnet": r"idc\.convnet|dc\.ConvNet",
    "resnet": r"idc\.resnet|dc\.ResNet18",
    "densenet": r"idc\.densenet",
    "mlp": r"dc\.MLP",
    "lenet": r"dc\.LeNet",
    "alexnet": r"dc\.AlexNet",
    "vgg": r"dc\.VGG11",
}
"""Module of ours → the golden networks that its tests compare."""


def golden_models(module: str) -> list[str]:
    return [name for name in MODELS if re.match(MODULES[module], name)]


def image_spec(channels: int = 3, height: int = 32, width: int | None = None, classes: int = 2) -> ImageSpec:
    return ImageSpec(
        channels=channels,
        height=height,
        width=width or height,
        classes=tuple(map(str, range(classes))),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )


def assert_golden(name: str, model: Model, in_order: bool = True) -> None:
    """The parameters, in order or as a multiset, the buffers and the logits' shape are a golden network's."""
    golden = MODELS[name]
    spec = image_spec(*golden["input_shape"][1:], classes=golden["output_shape"][1])
    with torch.device("meta"):
        module = model.build(spec)
        images = torch.empty(golden["input_shape"])
    shapes = [list(parameter.shape) for parameter in module.parameters()]
    expected = golden["parameter_shapes"]
    assert shapes == expected if in_order else sorted(shapes) == sorted(expected)
    assert sum(parameter.numel() for parameter in module.parameters()) == golden["parameter_count"]
    assert sum(buffer.numel() for buffer in module.buffers()) == golden["buffer_element_count"]
    assert list(module(images).shape) == golden["output_shape"]


def network_of(model: Model, spec: ImageSpec) -> Network:
    with Streams(0).seeded("weights"):
        return Network.of(model.build(spec).double(), Streams(0))


def feature_shapes(model: Model, spec: ImageSpec) -> list[tuple[int, ...]]:
    """Shapes of an image's features."""
    with torch.device("meta"):
        module = model.build(spec).eval()
        assert isinstance(module, FeatureNetwork)
        return [tuple(layer.shape[1:]) for layer in module.features(torch.empty(2, *spec.shape))]


def assert_gradients_can_be_matched(model: Model, spec: ImageSpec) -> None:
    """The second-order gradient of the pixels is the slope of the distance between gradients."""
    view = NetworkView(network_of(model, spec))
    generator = Streams(0).generator("images")
    real, leaf = (torch.randn(2, *spec.shape, generator=generator, dtype=torch.float64) for _ in range(2))
    labels = torch.tensor([0, 1])

    def distance(images: torch.Tensor) -> torch.Tensor:
        with Streams(0).seeded("layers"):
            return Gradient(fc=True, bias=True).distance(view, Batch(real, labels), Batch(images, labels))

    (gradient,) = torch.autograd.grad(distance(leaf.requires_grad_()), leaf)
    slope = gradient.norm()
    assert slope > 0
    step = 1e-7 * gradient / slope
    with torch.no_grad():
        ahead, behind = leaf + step, leaf - step
    found = (distance(ahead.requires_grad_()) - distance(behind.requires_grad_())) / 2e-7
    torch.testing.assert_close(found, slope, rtol=1e-4, atol=0)
