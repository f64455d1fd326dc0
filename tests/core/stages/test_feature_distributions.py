"""Objectives that compare distributions of features, attention or losses (float64)."""

import pytest
import torch
from torch import Tensor

from golden_cases import Case, assert_exact, golden_convnet, load_golden
from idc.errors import InputError
from idc.kinds import Batch, Network, NetworkView, Objective
from idc.seeding import Streams
from idc.stages.objectives.attention import Attention, attention
from idc.stages.objectives.cross_entropy import CrossEntropy
from idc.stages.objectives.feature import Feature
from idc.stages.objectives.gradient import cos, flip_averaged
from idc.stages.objectives.mmd import BANDWIDTHS, squared_mmd
from idc.stages.objectives.moments import Moments
from idc.testing import SPEC
from idc_models.convnet import ConvNet


def network_of(case: Case) -> Network:
    return golden_convnet(case, int(case.header["n_classes"]))


def view_of(case: Case) -> NetworkView:
    return NetworkView(network_of(case))


def one_class(images: Tensor) -> Batch:
    return Batch(images, torch.zeros(len(images), dtype=torch.int64))


def found(case: Case, objective: Objective, label: int = 0) -> tuple[Tensor, Tensor]:
    """The distance, and its gradient with respect to the synthetic images."""
    syn, real = case["syn_images"].requires_grad_(), case["real_images"]
    labels = case.tensors.get("syn_labels", torch.full((len(syn),), label))
    distance = objective.distance(
        view_of(case), Batch(real, torch.full((len(real),), label)), Batch(syn, labels)
    )
    return distance.detach(), torch.autograd.grad(distance, syn)[0]


def test_both_losses_of_dance_are_the_public_codes() -> None:
    case = load_golden("dance_losses")
    for name, objective in (("inner", Feature()), ("inter", CrossEntropy())):
        distance, gradient = found(case, objective)
        assert_exact(distance, case[f"{name}_loss"])
        assert_exact(gradient, case[f"{name}_pixel_grad"])


@pytest.mark.parametrize("name", ["ncfm_match_c1", "ncfm_match_c3"])
def test_calibration_of_ncfm_is_the_public_codes(name: str) -> None:
    case = load_golden(name)
    distance, gradient = found(case, CrossEntropy())
    assert_exact(distance, case["calibration_loss"])
    assert_exact(gradient, case["calibration_pixel_grad"])


def test_soft_labels_that_are_certain_count_as_hard_ones() -> None:
    case = load_golden("dance_losses")
    soft = torch.nn.functional.one_hot(case["syn_labels"], 3).double()
    batch = Batch(case["syn_images"], soft)
    assert_exact(CrossEntropy().distance(view_of(case), batch, batch), case["inter_loss"])


def test_mean_and_covariance_are_the_public_codes() -> None:
    case = load_golden("dsdm")
    distance, gradient = found(case, Moments(covariance=float(case.header["cov_weight"])))
    assert_exact(distance, case["loss.first"])
    assert_exact(gradient, case["pixel_grad.first"])


def test_history_is_the_public_codes() -> None:
    case = load_golden("dsdm")
    weights = {name: float(case.header[f"{name}_weight"]) for name in ("cov", "history")}
    objective = Moments(covariance=weights["cov"], history=weights["history"], history_from=7)
    real, syn = (one_class(case[f"{side}_images"]) for side in ("real", "syn"))
    for steps, when in ((6, "first"), (7, "later")):
        remembered = {"mean": case["history"].flatten(), "steps": torch.tensor(steps)}
        leaf = syn.images.clone().requires_grad_()
        distance = objective.distance(
            NetworkView(network_of(case), remembered=remembered), real, Batch(leaf, syn.labels)
        )
        assert_exact(distance.detach(), case[f"loss.{when}"])
        assert_exact(torch.autograd.grad(distance, leaf)[0], case[f"pixel_grad.{when}"])


def test_history_is_a_running_mean_that_begins_with_the_first_images() -> None:
    case = load_golden("dsdm")
    network, batch = network_of(case), one_class(case["syn_images"])
    mean = network.features(batch.images)[-1].flatten(1).mean(0)
    first = Moments().remember(NetworkView(network), batch, batch)
    assert_exact(first["mean"], mean)
    remembered = {"mean": 3 * mean, "steps": torch.tensor(4)}
    later = Moments().remember(NetworkView(network, remembered=remembered), batch, batch)
    assert_exact(later["mean"], (0.99 * 3 + 0.01) * mean)
    assert (first["steps"].item(), later["steps"].item()) == (1, 5)
    assert Moments(history=0).remember(NetworkView(network), batch, batch) == {}


@pytest.mark.parametrize("power", [1.0, 4.0])
def test_attention_maps_are_the_public_codes(power: float) -> None:
    case = load_golden("datadam")
    assert_exact(attention(case["maps"], power), case[f"attention.exp{power:g}_l2"])


@pytest.mark.parametrize(("task_balance", "name"), [(0.01, "loss"), (0.0, "loss_attention")])
def test_attention_matching_is_the_public_codes_summed_over_classes(task_balance: float, name: str) -> None:
    case = load_golden("datadam")
    view, real = view_of(case), case["real_images"]
    total = torch.zeros((), dtype=torch.float64)
    for label, codes in enumerate(case["codes"].unflatten(0, (len(real), -1))):
        leaf = codes.requires_grad_()
        distance = Attention(task_balance=task_balance).distance(
            view,
            Batch(real[label], torch.full((len(real[label]),), label)),
            Batch(leaf, torch.full((len(leaf),), label)),
        )
        if name == "loss":
            (gradient,) = torch.autograd.grad(distance, leaf)
            assert_exact(gradient, case["codes_grad"].unflatten(0, (len(real), -1))[label])
        total += distance.detach()
    assert_exact(total, case[name])


def test_attention_needs_two_layers() -> None:
    case = load_golden("datadam")
    spec = SPEC.model_copy(update={"height": 16, "width": 16})
    view = NetworkView(ConvNet(depth=1, width=4).fresh(spec, Streams(0)))
    batch = Batch(case["real_images"][0].float(), torch.zeros(7, dtype=torch.int64))
    with pytest.raises(InputError, match=r"has only one; choose a deeper model or objective\.type"):
        Attention().distance(view, batch, batch)


def test_flip_invariant_distance_of_gradients_is_the_public_codes() -> None:
    case = load_golden("fyi_flip_invariant")
    sides = [
        {key: value for key, value in case.tensors.items() if key.startswith(f"{side}.")}
        for side in ("real", "syn")
    ]
    real, syn = ({key.split(".")[1]: value for key, value in side.items()} for side in sides)
    for gradient in syn.values():
        gradient.requires_grad_()
    kernels = [name for name, gradient in syn.items() if gradient.ndim == 4]
    averaged = flip_averaged(real), flip_averaged(syn)
    distance = torch.stack([cos(averaged[0][name], averaged[1][name]) for name in kernels]).sum()
    assert_exact(distance, case["loss"])
    for name, gradient in zip(
        kernels, torch.autograd.grad(distance, [syn[name] for name in kernels]), strict=True
    ):
        assert_exact(gradient, case[f"syn_grad.{name}"])


def test_mean_discrepancy_is_that_of_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    real, syn = (torch.randn(n, 5, dtype=torch.float64, generator=generator) + 3 for n in (6, 4))

    def squared(first: Tensor, second: Tensor) -> float:
        return sum((a - b) ** 2 for a, b in zip(first.tolist(), second.tolist(), strict=True))

    different = [squared(real[i], real[j]) for i in range(6) for j in range(6) if i != j]
    scale = sum(different) / len(different)

    def mean_kernel(first: Tensor, second: Tensor) -> Tensor:
        distances = torch.tensor([[squared(a, b) for b in second] for a in first], dtype=torch.float64)
        kernels = [(-distances / (bandwidth * scale)).exp().mean() for bandwidth in BANDWIDTHS]
        return torch.stack(kernels).sum()

    wanted = mean_kernel(real, real) + mean_kernel(syn, syn) - 2 * mean_kernel(real, syn)
    assert_exact(squared_mmd(real, syn, BANDWIDTHS), wanted)
    assert_exact(squared_mmd(real, real.flip(0), BANDWIDTHS), torch.zeros((), dtype=torch.float64))


def test_a_wide_kernel_compares_means_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    real, syn = (torch.randn(n, 5, dtype=torch.float64, generator=generator) for n in (6, 4))
    wide = 1e6
    scale = torch.pdist(real).square().mean()
    means = ((real.mean(0) - syn.mean(0)) ** 2).sum()
    found = squared_mmd(real, syn, (wide,)) * wide * scale / 2
    torch.testing.assert_close(found, means, rtol=1e-4, atol=0)
