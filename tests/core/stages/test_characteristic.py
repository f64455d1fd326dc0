"""NCFM's distance against the golden tensors (float64)."""

import pytest
import torch
from torch import nn

from golden_cases import assert_exact, golden_convnet, load_golden
from idc.kinds import Batch, NetworkView
from idc.stages.objectives.characteristic import Characteristic, characteristic_distance


@pytest.mark.parametrize("name", ["amplitude", "balanced", "phase"])
def test_distance_and_gradient_are_the_public_codes(name: str) -> None:
    case = load_golden(f"ncfm_cf_{name}")
    alpha, beta = float(case.header["alpha"]), float(case.header["beta"])
    syn = case.tensors["syn"].requires_grad_()
    loss = characteristic_distance(case.tensors["real"], syn, case.tensors["frequencies"], alpha, beta)
    assert_exact(loss, case.tensors["loss"])
    assert_exact(torch.autograd.grad(loss, syn)[0], case.tensors["syn_grad"])


@pytest.mark.parametrize("name", ["ncfm_match_c1", "ncfm_match_c3"])
def test_through_a_network_loss_and_gradient_are_the_public_codes(name: str) -> None:
    case = load_golden(name)
    network = golden_convnet(case, int(case.header["n_classes"]))
    objective = Characteristic(amplitude=float(case.header["alpha"]), phase=float(case.header["beta"]))
    view = NetworkView(network, drawn={"frequencies": case.tensors["frequencies"]})
    syn = case.tensors["syn_images"].requires_grad_()
    real = Batch(
        case.tensors["real_images"], torch.zeros(len(case.tensors["real_images"]), dtype=torch.int64)
    )
    loss = objective.distance(view, real, Batch(syn, case.tensors["syn_labels"]))
    assert_exact(loss, case.tensors["loss"])
    assert_exact(torch.autograd.grad(loss, syn)[0], case.tensors["pixel_grad"])


def test_of_equal_sets_the_distance_is_that_of_the_smallest_phase_and_has_no_gradient() -> None:
    case = load_golden("ncfm_cf_equal")
    alpha, beta = float(case.header["alpha"]), float(case.header["beta"])
    syn = case["syn"].requires_grad_()
    loss = characteristic_distance(case["real"], syn, case["frequencies"], alpha, beta)
    assert_exact(loss, case["loss"])
    assert_exact(loss, torch.tensor(beta * 1e-12, dtype=torch.float64).sqrt())
    # Both are rounding.
    (gradient,) = torch.autograd.grad(loss, syn)
    torch.testing.assert_close(gradient, case["syn_grad"], rtol=0, atol=1e-7)


def test_the_sampling_network_of_the_released_code_gives_each_frequency_sixteen_times() -> None:
    """Why there is no such network here: it is not trained either (``minmax`` in the golden iterations)."""
    case = load_golden("ncfm_sampler")
    size = int(case.header["feature_dim"])
    layers = [
        *(nn.Linear(size, size), nn.BatchNorm1d(size), nn.LeakyReLU(0.2)),
        *(nn.Linear(size, size), nn.BatchNorm1d(size), nn.LeakyReLU(0.2)),
        *(nn.Linear(size, size), nn.BatchNorm1d(size), nn.Tanh()),
    ]
    network = nn.Sequential(*layers).double()
    weights = {name.removeprefix("t_layers_list."): tensor for name, tensor in case.weights().items()}
    network.load_state_dict(weights, strict=False)
    given = network(case["noise"])
    drawn = int(case.header["t_batchsize"])
    assert len(given) == int(case.header["distinct_rows"]) == drawn // 16 == 4
    assert_exact(given.repeat(16, 1), case["frequencies"])
    assert len(case["frequencies"].unique(dim=0)) == 4
