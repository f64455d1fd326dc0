"""Sums of objectives against the golden tensors (float64), and what their terms get."""

from dataclasses import replace
from typing import Literal, final

import pytest
import torch
from pydantic import ValidationError
from torch import Generator, Tensor

from golden_cases import Case, assert_exact, golden_convnet, load_golden
from idc import testing
from idc.errors import InputError
from idc.kinds import Batch, Model, Network, NetworkView, Objective, Scalar, Split, Streams, Tensors
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.objectives.cross_entropy import CrossEntropy
from idc.stages.objectives.feature import Feature
from idc.stages.objectives.gradient import Gradient
from idc.stages.objectives.sum import Sum, Term

SPEC = testing.SPEC.model_copy(update={"height": 16, "width": 16})


def network_of(case: Case) -> Network:
    return golden_convnet(case, int(case.header["n_classes"]))


def of_one_class(images: Tensor, label: int) -> Batch:
    return Batch(images, torch.full((len(images),), label))


@pytest.mark.parametrize("metric", ["mse", "l1"])
def test_both_directions_of_dream_plus_are_the_public_codes(metric: Literal["mse", "l1"]) -> None:
    case = load_golden("dream_plus")
    label, syn = int(case["label"]), case["syn_images"].requires_grad_()
    objective = Sum(terms=(Term(objective=Feature(metric=metric)), Term(objective=Gradient(metric=metric))))
    distance = objective.distance(
        NetworkView(network_of(case)), of_one_class(case["real_images"], label), of_one_class(syn, label)
    )
    assert_exact(distance, case[f"loss.{metric}"])
    assert_exact(torch.autograd.grad(distance, syn)[0], case[f"pixel_grad.{metric}"])


def idm_loss() -> Sum:
    calibration = Term(weight=0.5, times="accuracy", objective=CrossEntropy())
    return Sum(terms=(Term(objective=Feature()), calibration))


def test_one_sweep_of_idm_is_the_public_codes() -> None:
    case = load_golden("idm_class_loop")
    view = NetworkView(replace(network_of(case), facts={"accuracy": case["accuracy_percent"]}))
    codes, velocity = case["initial_codes"], torch.zeros_like(case["initial_codes"])
    rate, momentum = float(case.header["lr_img"]), float(case.header["momentum"])
    total = torch.zeros((), dtype=torch.float64)
    for label, real in enumerate(case["real_images"]):
        leaf = codes.clone().requires_grad_()
        own = of_one_class(leaf.unflatten(0, (len(case["real_images"]), -1))[label], label)
        decoded = MultiFormation(factor=2).decode({"images": own.images}, own.labels, SPEC)
        distance = idm_loss().distance(view, of_one_class(real, label), decoded)
        # One optimizer for all classes: the others go on by their momentum.
        velocity = momentum * velocity + torch.autograd.grad(distance, leaf)[0]
        codes = codes - rate * velocity
        total += distance.detach()
    assert_exact(total, case["loss_sum"])
    assert_exact(codes, case["codes_after"])
    assert_exact(velocity, case["momentum_after"])


def test_terms_in_turn_see_their_own_networks() -> None:
    case = load_golden("dance_losses")
    network = network_of(case)
    others = {name: 0.5 * weight for name, weight in network.weights.items()}
    network = replace(network, companions={"trained": others})
    objective = Sum(
        steps="in-turn",
        terms=(Term(objective=Feature()), Term(weight=2.0, network="trained", objective=CrossEntropy())),
    )
    assert objective.sweeps() == 2
    real, syn = of_one_class(case["real_images"], 0), Batch(case["syn_images"], case["syn_labels"])
    first, second = (objective.distance(NetworkView(network, sweep=sweep), real, syn) for sweep in range(2))
    assert_exact(first, case["inner_loss"])
    halved = NetworkView(replace(network, weights=others))
    assert_exact(second, 2 * CrossEntropy().distance(halved, real, syn))
    together = objective.model_copy(update={"steps": "together"})
    assert together.sweeps() == 1
    assert_exact(together.distance(NetworkView(network), real, syn), first + second)


@final
class Noted(Objective):
    """Says what it prepared and drew."""

    type: Literal["noted"] = "noted"
    size: int

    def prepare(self, real: Split, model: Model, streams: Streams) -> Tensors:
        return {"own": torch.rand(self.size, generator=streams.generator()).double()}

    def draw(self, prepared: Tensors, generator: Generator) -> Tensors:
        return {"own": torch.rand(len(prepared["own"]), generator=generator).double()}

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        assert set(net.prepared) == set(net.drawn) == {"own"}
        assert len(net.prepared["own"]) == len(net.drawn["own"]) == self.size
        return (net.prepared["own"] * net.drawn["own"]).sum() * syn.images.square().mean()


def test_each_term_finds_what_it_prepared_and_drew() -> None:
    within = Sum(terms=(Term(objective=Noted(size=4)), Term(objective=Noted(size=5))))
    objective = Sum(terms=(Term(objective=Noted(size=3)), Term(objective=within)))
    streams = Streams(0)
    prepared = objective.prepare(testing.toy_split(), testing.ToyModel(), streams)
    drawn = objective.draw(prepared, streams.generator("draw"))
    assert set(prepared) == set(drawn) == {"0.own", "1.0.own", "1.1.own"}
    network = testing.ToyModel().fresh(testing.SPEC, streams)
    batch = of_one_class(torch.ones(2, *testing.SPEC.shape), 0)
    wanted = torch.stack([(prepared[name] * drawn[name]).sum() for name in prepared]).sum()
    assert_exact(objective.distance(NetworkView(network, prepared, drawn), batch, batch), wanted)


def test_what_a_sum_cannot_do_is_refused_with_the_fix() -> None:
    in_turn = Sum(steps="in-turn", terms=(Term(objective=Feature()), Term(objective=CrossEntropy())))
    with pytest.raises(ValidationError, match=r"terms\.0: objective 'sum' .*list its terms in this sum"):
        Sum(terms=(Term(objective=in_turn),))
    with pytest.raises(ValidationError, match=r"terms is empty.*list at least one"):
        Sum(terms=())
    network = testing.ToyModel().fresh(testing.SPEC, Streams(0))
    batch = of_one_class(torch.ones(2, *testing.SPEC.shape), 0)
    for term, named in (
        (Term(network="trained", objective=Feature()), "'trained'"),
        (Term(times="accuracy", objective=Feature()), "'accuracy'"),
    ):
        with pytest.raises(InputError, match=named):
            Sum(terms=(term,)).distance(NetworkView(network), batch, batch)


@pytest.mark.slow
def test_a_sum_keeps_the_promises_of_objectives() -> None:
    terms = [
        {"weight": 0.01, "times": "accuracy", "objective": {"type": "characteristic", "frequencies": 4}},
        {"network": "trained", "objective": {"type": "cross-entropy"}},
    ]
    for steps in ("together", "in-turn"):
        objective = Objective.implementation("sum").model_validate({"terms": terms, "steps": steps})
        testing.check_objective(objective, companions=["trained"], facts=["accuracy"])
