"""Checks of objectives and optimizers."""

from collections.abc import Collection
from dataclasses import replace
from itertools import product

import torch
from torch import Generator, Tensor

from idc.kinds import Objective, Optimizer, Rows
from idc.network.network import Network
from idc.network.view import NetworkView
from idc.shapes import Batch, Codes, Tensors
from idc.testing.assertions import (
    META,
    check_stage,
    computed_anywhere,
    equal,
    global_generator_untouched,
    moved,
)
from idc.testing.toy import SPEC, STREAMS, ToyModel, toy_split


def check_objective(
    objective: Objective, companions: Collection[str] = (), facts: Collection[str] = ()
) -> None:
    """A finite scalar with a finite, non-zero and correct gradient, for batches of different sizes.

    Args:
        objective: to check.
        companions: of the network, that the objective needs.
        facts: about the network, that it needs.
    """
    check_stage(objective)
    with STREAMS.seeded("weights"):
        network = Network.of(ToyModel().build(SPEC).double(), STREAMS)
    generator = STREAMS.generator("objective")
    split = toy_split()
    with global_generator_untouched():
        prepared, again = (objective.prepare(split, ToyModel(), STREAMS.child("objective")) for _ in range(2))
    assert equal(prepared, again), "prepare() gives different tensors for the same streams"
    assert not any(tensor.numel() for tensor in prepared.values()) or not equal(
        prepared, objective.prepare(toy_split(seed=1), ToyModel(), STREAMS.child("other"))
    ), "prepare() depends neither on the data nor on the streams: make it a constant"
    drawn, redrawn = (objective.draw(prepared, STREAMS.generator("draw")) for _ in range(2))
    assert equal(drawn, redrawn), "draw() gives different tensors for the same generator"
    other = {**network.weights, **network.buffers}
    network = replace(
        network,
        companions={key: {name: 0.9 * weight for name, weight in other.items()} for key in companions},
        facts={key: torch.tensor(50.0) for key in facts},
    )
    memories = _memories(objective, network, prepared, drawn, generator)
    cases = product(range(objective.sweeps()), memories, ((5, 2), (1, 1)))
    for sweep, remembered, (real_count, syn_count) in cases:
        view = NetworkView(network, prepared, drawn, sweep, remembered=remembered)
        real, syn = (_of_one_class(count, generator) for count in (real_count, syn_count))
        leaf, labels = syn.images.requires_grad_(), syn.labels

        def distance(
            images: Tensor, view: NetworkView = view, real: Batch = real, labels: Tensor = labels
        ) -> Tensor:
            return objective.distance(view, real, Batch(images, labels))

        value = distance(leaf)
        assert value.shape == (), f"the distance has the shape {tuple(value.shape)}, but must be a scalar"
        assert bool(value.isfinite()), "the distance is not finite"
        assert value.requires_grad, "the distance does not depend on syn.images"
        (gradient,) = torch.autograd.grad(value, leaf)
        assert bool(gradient.isfinite().all()), "the gradient is not finite"
        assert bool(gradient.any()), "the gradient is zero"
        soft = torch.nn.functional.one_hot(labels, len(SPEC.classes)).double()
        with_soft = objective.distance(view, real, Batch(leaf, soft))
        assert bool(with_soft.isfinite()), "the distance for soft labels is not finite"
        assert torch.equal(value, distance(leaf)), "the same batches give different distances"
        torch.autograd.gradcheck(distance, leaf)
        _check_objective_elsewhere(objective, network, view, real, syn)


def _check_objective_elsewhere(
    objective: Objective, network: Network, view: NetworkView, real: Batch, syn: Batch
) -> None:
    elsewhere = NetworkView(
        replace(
            network,
            weights=moved(network.weights),
            buffers=moved(network.buffers),
            companions={name: moved(each) for name, each in network.companions.items()},
            facts=moved(network.facts),
        ),
        moved(view.prepared),
        moved(view.drawn),
        view.sweep,
        remembered=moved(view.remembered),
    )
    seen, made = (Batch(each.images.detach().to(META), each.labels.to(META)) for each in (real, syn))
    leaf = made.images.clone().requires_grad_()
    with computed_anywhere("distance() or remember()"):
        value = objective.distance(elsewhere, seen, Batch(leaf, made.labels))
        torch.autograd.grad(value, leaf)
        kept = objective.remember(elsewhere, seen, made)
    assert {each.device for each in (value, *kept.values())} == {META}, (
        "a result is not on the images' device"
    )


def _memories(
    objective: Objective, network: Network, prepared: Tensors, drawn: Tensors, generator: Generator
) -> list[Tensors]:
    """What an objective remembers of a class at first, which is nothing, and after two matches."""
    found: list[Tensors] = [{}]
    for count in (3, 2):
        held = {name: tensor.clone() for name, tensor in found[-1].items()}
        view = NetworkView(network, prepared, drawn, objective.sweeps() - 1, remembered=found[-1])
        both = _of_one_class(4, generator), _of_one_class(count, generator)
        with torch.no_grad(), global_generator_untouched():
            kept, again = (objective.remember(view, *both) for _ in range(2))
        assert equal(held, found[-1]), "remember() changes net.remembered in place"
        assert equal(kept, again), "remember() gives different tensors for the same match"
        assert all(bool(tensor.isfinite().all()) for tensor in kept.values()), "remembered: not finite"
        found.append(kept)
    _, first, second = (
        {name: (tensor.shape, tensor.dtype) for name, tensor in each.items()} for each in found
    )
    assert first == second, "remember() returns tensors of other names, shapes or dtypes than before"
    return [{}, found[-1]] if first else [{}]


def check_optimizer(optimizer: Optimizer) -> None:
    """Steps are finite, against the gradient, reproducible, and not in place."""
    check_stage(optimizer)
    generator = STREAMS.generator("optimizer")
    shapes = {"own": (3, 2, 4), "shared": (5,)}
    codes = {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}
    gradients = {name: torch.rand(shape, generator=generator) + 0.1 for name, shape in shapes.items()}
    original = {name: code.clone() for name, code in codes.items()}
    outcomes: list[Codes] = []
    for _ in range(2):
        stepped, state = codes, optimizer.initial_state(codes)
        for number in range(3):
            assert all(
                {name: each.shape for name, each in buffer.items()}
                == {name: each.shape for name, each in codes.items()}
                for buffer in state.values()
            ), "a buffer of the state must have one tensor per code, of the code's shape"
            with global_generator_untouched():
                stepped = optimizer.before_gradients(stepped, state, number, {"shared"})
                stepped, state = optimizer.update(stepped, state, gradients, number, {"shared"})
        outcomes.append(stepped)
    assert equal(outcomes[0], outcomes[1]), "the same gradients give different codes"
    own = {"own": codes["own"][1:]}
    state = optimizer.initial_state(own)
    for number in range(3):
        own = optimizer.before_gradients(own, state, number, {"shared"}, Rows(1, 3))
        own, state = optimizer.update(
            own, state, {"own": gradients["own"][1:]}, number, {"shared"}, Rows(1, 3)
        )
    assert torch.equal(own["own"], outcomes[0]["own"][1:]), (
        "a class's codes depend on which other rows there are"
    )
    assert equal(codes, original), "the codes are changed in place"
    with computed_anywhere("before_gradients() or update()"):
        state = optimizer.initial_state(moved(codes))
        there = optimizer.before_gradients(moved(codes), state, 0, {"shared"})
        there, state = optimizer.update(there, state, moved(gradients), 0, {"shared"})
    found = {each.device for tensors in (there, *state.values()) for each in tensors.values()}
    assert found == {META}, "codes or state are on another device than the codes were"
    for name, code in outcomes[0].items():
        assert bool(code.isfinite().all()), "a code is not finite"
        assert bool((code < codes[name]).all()), "a step is not against the gradient"


def _of_one_class(count: int, generator: Generator) -> Batch:
    return Batch(_normal(count, generator), torch.ones(count, dtype=torch.int64))


def _normal(count: int, generator: Generator) -> Tensor:
    return torch.randn(count, *SPEC.shape, generator=generator, dtype=torch.float64)
