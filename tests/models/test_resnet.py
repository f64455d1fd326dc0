"""ResNet, ResNetAP and DC's ResNet-18: golden values (float64), parameters and initial weights."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from golden_cases import Case, assert_exact, load_golden
from idc.errors import InputError
from idc.kinds import Model
from idc.network.network import Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch
from idc.stages.objectives.gradient import Gradient
from idc_models.residual import Norm
from idc_models.resnet import DCResNet, ResNet, ResNetAP
from messages import assert_names

from .model_cases import (
    MODELS,
    assert_golden,
    assert_gradients_can_be_matched,
    feature_shapes,
    golden_models,
    image_spec,
)

FILTERS = {
    "loss": Gradient(),
    "loss_with_fc": Gradient(fc=True),
    "loss_with_bias": Gradient(bias=True),
    "loss_with_bias_and_fc": Gradient(fc=True, bias=True),
}


def golden_resnet_ap(case: Case) -> Network:
    """A ResNetAP-10 with the golden weights, in float64."""
    weights, header = load_golden("gradmatch_resnetap10_s64").weights(), case.header
    spec = image_spec(int(header["channels"]), int(header["image_size"]), classes=int(header["n_classes"]))
    module = ResNetAP(width=float(header["width"])).build(spec).double()
    module.load_state_dict(weights)
    return Network.of(module, Streams(0))


@pytest.fixture(scope="module")
def matching() -> tuple[Case, NetworkView, Batch, Batch]:
    case = load_golden("gradmatch_resnetap10_s64")
    real = Batch(case["real_images"], case["real_labels"])
    syn = Batch(case["syn_images"].requires_grad_(), case["syn_labels"])
    return case, NetworkView(golden_resnet_ap(case)), real, syn


def test_forward_and_features_are_the_golden_ones() -> None:
    case = load_golden("forward_resnetap10_s64")
    assert case.header["weights_file"] == "gradmatch_resnetap10_s64.safetensors"
    network = golden_resnet_ap(case)
    assert_exact(network.logits(case["input"]), case["logits"])
    *maps, pooled = network.features(case["input"])
    assert len(maps) == 5
    for layer, features in enumerate(maps):
        assert list(features.shape) == case[f"feature{layer}.shape"].tolist()
        assert_exact(features.mean((2, 3)), case[f"feature{layer}.channel_mean"])
        assert_exact(features.norm(dim=(2, 3)), case[f"feature{layer}.channel_l2"])
    assert_exact(maps[4][0, :, ::2, ::2], case["feature4.image0"])
    assert_exact(pooled, case["feature5"])


def test_gradients_of_the_cross_entropy(matching: tuple[Case, NetworkView, Batch, Batch]) -> None:
    case, view, real, syn = matching
    order = case.header["parameter_order"].split(",")
    assert list(view.weights) == order
    for batch, side in ((real, "real"), (syn, "syn")):
        loss = nn.functional.cross_entropy(view.logits(batch.images), batch.labels)
        assert_exact(loss.detach(), case[f"{side}_loss"])
        for name, found in view.gradients(batch).items():
            found = found.detach()
            if f"{side}_grad.{name}" in case.tensors:
                assert_exact(found, case[f"{side}_grad.{name}"])
            else:
                at = case[f"grad_index.{name}"]
                assert_exact(found.flatten()[at], case[f"{side}_grad_at_index.{name}"])
                assert_exact(found.norm(), case[f"{side}_grad_norm.{name}"])


@pytest.mark.parametrize("included", FILTERS)
@pytest.mark.parametrize("metric", ["mse", "l1", "l1_mean", "cos"])
def test_distance_for_each_metric_and_filter(
    matching: tuple[Case, NetworkView, Batch, Batch], included: str, metric: str
) -> None:
    case, view, real, syn = matching
    objective = FILTERS[included].model_copy(update={"metric": metric})
    assert_exact(objective.distance(view, real, syn).detach(), case[f"{included}.{metric}"])


@pytest.mark.parametrize("metric", ["mse", "l1", "l1_mean", "cos", "dc"])
def test_second_order_gradient_of_the_pixels(
    matching: tuple[Case, NetworkView, Batch, Batch], metric: str
) -> None:
    case, view, real, syn = matching
    objective = (
        Gradient(metric="cos", fc=True) if metric == "dc" else Gradient.model_validate({"metric": metric})
    )
    distance = objective.distance(view, real, syn)
    assert_exact(distance.detach(), case[f"loss.{metric}"])
    (pixels,) = torch.autograd.grad(distance, syn.images)
    assert_exact(pixels.flatten()[case["pixel_index"]], case[f"pixel_grad_at_index.{metric}"])
    assert_exact(pixels.norm(), case[f"pixel_grad_norm.{metric}"])


def stage(name: str) -> Model:
    golden = MODELS[name]
    if name.startswith("dc."):
        family = golden["family"].removeprefix("ResNet18")
        norm: Norm = "batch" if family.startswith("BN") else "instance"
        return DCResNet(norm=norm, halving="average" if family.endswith("_AP") else "stride")
    depth, norm = golden["depth"], golden["norm"]
    if golden["family"] == "ResNetAP":
        return ResNetAP(depth=depth, norm=norm, width=golden["width"])
    return ResNet(depth=depth, norm=norm, width=0.5 if "cifar" in golden["family"] else 1.0)


@pytest.mark.parametrize("name", golden_models("resnet"))
def test_parameters_are_those_of_the_public_code(name: str) -> None:
    assert_golden(name, stage(name))


@pytest.mark.parametrize(
    ("size", "strides", "averages"),
    [
        (28, (28, 28, 14, 7, 4), (28, 28, 14, 7, 3)),
        (32, (32, 32, 16, 8, 4), (32, 32, 16, 8, 4)),
        (64, (64, 64, 32, 16, 8), (64, 64, 32, 16, 8)),
        (96, (48, 48, 24, 12, 6), (48, 48, 24, 12, 6)),
        (128, (64, 64, 32, 16, 8), (64, 64, 32, 16, 8)),
        (224, (56, 56, 28, 14, 7), (56, 56, 28, 14, 7)),
    ],
)
def test_stems_and_stages_by_size(size: int, strides: tuple[int, ...], averages: tuple[int, ...]) -> None:
    for model, sides in ((ResNet(width=0.125), strides), (ResNetAP(width=0.125), averages)):
        channels = (8, 8, 16, 32, 64)
        expected = [(count, side, side) for count, side in zip(channels, sides, strict=True)]
        assert feature_shapes(model, image_spec(height=size)) == [*expected, (64,)]


def test_the_longer_side_decides_on_the_stem() -> None:
    assert feature_shapes(ResNet(width=0.125), image_spec(1, 40, 65))[0] == (8, 20, 33)
    assert feature_shapes(ResNetAP(width=0.125), image_spec(1, 40, 65))[0] == (8, 20, 32)
    assert feature_shapes(ResNetAP(width=0.3), image_spec(1, 64, 40))[0] == (19, 64, 40)


def test_dcs_resnet_has_the_small_stem_at_any_size() -> None:
    sides = ((64, 96), (64, 96), (128, 48), (256, 24), (512, 12))
    expected = [(channels, side, side) for channels, side in sides]
    assert feature_shapes(DCResNet(), image_spec(height=96)) == [*expected, (512,)]
    assert feature_shapes(DCResNet(halving="average"), image_spec(height=96)) == expected


@pytest.mark.parametrize("kind", [ResNet, ResNetAP])
def test_initial_weights_are_those_of_idc(kind: Any) -> None:
    with Streams(0).seeded("weights"):
        module = kind(width=0.5, norm="batch").build(image_spec())
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            variance = 2 / (math.prod(layer.kernel_size) * layer.out_channels)
            # Four standard deviations of the estimate.
            allowed = 4 * variance * math.sqrt(2 / layer.weight.numel())
            assert abs(float(layer.weight.detach().var()) - variance) < allowed, name
            assert layer.bias is None
        elif isinstance(layer, nn.BatchNorm2d):
            assert bool((layer.weight == 1).all())
            assert not layer.bias.any()


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize(
    ("kind", "fields", "size"),
    [
        (ResNet, {"width": 0.125}, 32),
        (ResNet, {"width": 0.125, "depth": 18}, 66),
        (ResNetAP, {"width": 0.125}, 32),
        (DCResNet, {}, 9),
        (DCResNet, {"halving": "average"}, 16),
    ],
)
def test_gradients_can_be_matched(kind: Any, fields: dict[str, Any], norm: str, size: int) -> None:
    assert_gradients_can_be_matched(kind(**fields, norm=norm), image_spec(height=size))


@pytest.mark.parametrize(
    ("model", "longer", "least", "shrunk"),
    [
        (ResNet(width=0.125), 32, 9, 8),
        (ResNet(width=0.125), 128, 17, 16),
        (ResNet(width=0.125), 224, 33, 32),
        (ResNetAP(width=0.125), 32, 16, 8),
        (ResNetAP(width=0.125), 128, 32, 16),
        (ResNetAP(width=0.125), 224, 64, 32),
        (DCResNet(), 224, 9, 8),
        (DCResNet(halving="average"), 32, 16, 8),
    ],
)
def test_images_that_end_as_single_pixels_are_refused(
    model: Model, longer: int, least: int, shrunk: int
) -> None:
    assert min(feature_shapes(model, image_spec(3, longer, least))[4][1:]) == 2
    with pytest.raises(InputError) as error:
        model.build(image_spec(3, longer, least - 1))
    parts = (
        f"{least}x{least} pixels",
        f"by {shrunk} ",
        "2x2",
        f"{longer}x{least - 1};",
        "enlarge",
        "'convnet'",
    )
    assert_names(str(error.value), f"model.type: '{model.type}' ", *parts)
