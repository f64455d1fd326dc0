"""Objectives against the golden tensors (float64)."""

import pytest
import torch
from torch import nn

from golden_cases import Case, assert_exact, golden_convnet, golden_names, load_golden
from idc.errors import InputError
from idc.network.network import Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch
from idc.stages.objectives import gradient
from idc.stages.objectives.feature import Feature
from idc.stages.objectives.gradient import Gradient

CONVNETS = golden_names("gradmatch_convnet3")
FILTERS = {
    "loss": Gradient(),
    "loss_with_fc": Gradient(fc=True),
    "loss_with_bias": Gradient(bias=True),
    "loss_with_bias_and_fc": Gradient(fc=True, bias=True),
}


def gradient_case(name: str) -> tuple[Case, NetworkView, Batch, Batch]:
    case = load_golden(name)
    view = NetworkView(golden_convnet(case, int(case.header["n_classes"])))
    real = Batch(case["real_images"], case["real_labels"])
    return case, view, real, Batch(case["syn_images"].requires_grad_(), case["syn_labels"])


@pytest.mark.parametrize("name", CONVNETS)
def test_gradients_of_the_cross_entropy(name: str) -> None:
    case, view, real, syn = gradient_case(name)
    for batch, prefix in ((real, "real_grad"), (syn, "syn_grad")):
        for weight, found in view.gradients(batch).items():
            # A bias before an instance normalisation has gradient zero, up to rounding.
            torch.testing.assert_close(found, case[f"{prefix}.{weight}"], rtol=1e-9, atol=1e-14)
            assert found.requires_grad == batch.images.requires_grad


@pytest.mark.parametrize("name", CONVNETS)
@pytest.mark.parametrize("included", FILTERS)
@pytest.mark.parametrize("metric", ["mse", "l1", "l1_mean", "cos"])
def test_distance_for_each_metric_and_filter(name: str, included: str, metric: str) -> None:
    case, view, real, syn = gradient_case(name)
    objective = FILTERS[included].model_copy(update={"metric": metric})
    assert_exact(objective.distance(view, real, syn), case[f"{included}.{metric}"])


@pytest.mark.parametrize("name", CONVNETS)
@pytest.mark.parametrize("metric", ["mse", "l1", "l1_mean", "cos", "dc"])
def test_second_order_gradient_of_the_pixels(name: str, metric: str) -> None:
    case, view, real, syn = gradient_case(name)
    # DC's layer-wise distance is the cosine with the linear layer.
    objective = (
        Gradient(metric="cos", fc=True) if metric == "dc" else Gradient.model_validate({"metric": metric})
    )
    distance = objective.distance(view, real, syn)
    assert_exact(distance, case[f"loss.{metric}"])
    (pixels,) = torch.autograd.grad(distance, syn.images)
    assert_exact(pixels, case[f"pixel_grad.{metric}"])


@pytest.mark.parametrize("metric", list(gradient.METRICS))
@pytest.mark.parametrize("index", [0, 1, 2])
def test_bare_distances(metric: str, index: int) -> None:
    case = load_golden("distances")
    found = gradient.METRICS[metric](case[f"x.{index}"], case[f"y.{index}"])
    assert_exact(found, case[f"idc.{metric}.{index}"])


@pytest.mark.parametrize(("layers", "name"), [((-1,), "last"), ((1,), "layer1"), ((0, 1, 2), "all_layers")])
def test_feature_matching_of_idc(layers: tuple[int, ...], name: str) -> None:
    case = load_golden("featmatch_idc")
    view = NetworkView(golden_convnet(case, int(case.header["n_classes"])))
    leaf = case["syn_images"].requires_grad_()
    real = Batch(case["real_images"], torch.zeros(len(case["real_images"]), dtype=torch.int64))
    syn = Batch(leaf, torch.zeros(len(leaf), dtype=torch.int64))
    distance = Feature(layers=layers).distance(view, real, syn)
    assert_exact(distance, case[f"loss.{name}"])
    (pixels,) = torch.autograd.grad(distance, leaf)
    assert_exact(pixels, case[f"pixel_grad.{name}"])


def test_feature_matching_of_dm_is_the_last_layer_summed_over_classes() -> None:
    case = load_golden("featmatch_dm")
    classes = int(case.header["n_classes"])
    view = NetworkView(golden_convnet(case, classes))
    total = torch.zeros((), dtype=torch.float64)
    for label in range(classes):
        leaf = case["syn_images"][label].requires_grad_()
        real = case["real_images"][label]
        distance = Feature().distance(
            view,
            Batch(real, torch.full((len(real),), label)),
            Batch(leaf, torch.full((len(leaf),), label)),
        )
        (pixels,) = torch.autograd.grad(distance, leaf)
        assert_exact(pixels, case["pixel_grad"][label])
        total += distance.detach()
    assert_exact(total, case["loss"])


def small_batch() -> Batch:
    return Batch(torch.rand(2, 1, 4, 4), torch.tensor([0, 1]))


def test_a_network_without_kernels_needs_fc() -> None:
    view = NetworkView(Network.of(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), Streams(0)))
    batch = small_batch()
    with pytest.raises(InputError, match=r"no convolution kernels to match; set objective\.fc = true"):
        Gradient().distance(view, batch, batch)
    assert Gradient(fc=True).distance(view, batch, batch) == 0


def test_a_network_without_features_is_refused_by_feature_matching() -> None:
    view = NetworkView(Network.of(nn.Sequential(nn.Flatten(), nn.Linear(16, 2)), Streams(0)))
    with pytest.raises(InputError, match=r"Sequential has no features\(images\)"):
        Feature().distance(view, small_batch(), small_batch())


def test_a_layer_the_network_lacks_is_refused() -> None:
    case = load_golden("featmatch_idc")
    view = NetworkView(golden_convnet(case, int(case.header["n_classes"])))
    batch = Batch(case["real_images"], torch.zeros(4, dtype=torch.int64))
    with pytest.raises(InputError, match=r"objective\.layers: 3 is not a layer .* allowed are -3 to 2"):
        Feature(layers=(3,)).distance(view, batch, batch)
