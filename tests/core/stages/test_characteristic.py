"""NCFM's distance against the golden tensors (float64)."""

import pytest
import torch

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
