"""Checks of models, objectives, networks, optimizers, labellers and evaluators."""

from collections.abc import Collection
from dataclasses import replace
from itertools import product
from math import isfinite

import torch
from torch import Generator, Tensor

from idc.data.split import RealData, Split
from idc.kinds import (
    Evaluator,
    EvaluatorInputs,
    Labeller,
    Model,
    Networks,
    Objective,
    Optimizer,
    PretrainedStage,
    Rows,
)
from idc.network.network import FeatureNetwork, MapNetwork, Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch, Codes, Tensors
from idc.spec import ImageSpec
from idc.synset.synset import Synset
from idc.testing.assertions import check_stage, equal, global_generator_untouched
from idc.testing.toy import SPEC, STREAMS, ToyModel, toy_split


def check_model(model: Model, spec: ImageSpec = SPEC) -> None:
    """Logits have the right shape, initial weights depend on the seed, every weight has a gradient."""
    check_stage(model)
    networks = []
    for seed in (0, 0, 1):
        with Streams(seed).seeded("weights"):
            networks.append(Network.of(model.build(spec), STREAMS))
    first, same, other = networks
    assert equal(first.weights, same.weights), "the same seed gives different initial weights"
    assert not equal(first.weights, other.weights), "another seed gives the same initial weights"
    batch = Batch(toy_split(2, spec).images(), toy_split(2, spec).labels)
    logits = first.logits(batch.images)
    assert logits.shape == (len(batch), len(spec.classes)), f"logits have the shape {tuple(logits.shape)}"
    if isinstance(first.module, FeatureNetwork):
        features = first.features(batch.images)
        assert features, "features() returns no layer"
        assert all(len(layer) == len(batch) for layer in features), "a layer's first axis is not the images"
    if isinstance(first.module, MapNetwork):
        maps = first.maps(batch.images)
        assert maps, "maps() returns no layer"
        assert all(len(layer) == len(batch) for layer in maps), "a layer of maps() does not begin with images"
    gradients = NetworkView(first).gradients(batch)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients.values()), "a gradient is not finite"


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


def check_networks(networks: Networks) -> None:
    """Networks depend only on their streams, are finite, and leave the real data unchanged.

    What they need is pretrained, and kept where they keep it: a pool in the cache folder.
    """
    check_stage(networks)
    split = toy_split()
    networks.refuse_unfit(ToyModel(), split)
    before = split.pixels.clone()
    _check_pools(networks, split)

    def synthetic() -> Split:
        assert not networks.independent, "networks are declared independent, but use the synthetic images"
        return split

    outcomes: list[Network] = []
    for _ in range(2):
        with global_generator_untouched():
            network = networks.start(0, None, ToyModel(), split, STREAMS)
            network = networks.train(network, split, synthetic)
            network = networks.start(1, network, ToyModel(), split, STREAMS.child(1))
            outcomes.append(networks.train(network, split, synthetic))
    first, second = outcomes
    assert equal(first.weights, second.weights), "the same streams give different networks"
    assert all(bool(w.isfinite().all()) for w in first.weights.values()), "a weight is not finite"
    assert set(first.companions) == networks.companions, "the companions differ from those declared"
    for name, companion in first.companions.items():
        same = companion.keys() == {*first.weights, *first.buffers}
        assert same, f"the companion {name!r} has other tensors than the network"
    assert set(first.facts) == networks.facts, "the facts differ from those declared"
    assert all(fact.shape == () for fact in first.facts.values()), "a fact must be a scalar"
    assert torch.equal(split.pixels, before), "the real data were changed"


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
        moved, state = codes, optimizer.initial_state(codes)
        for number in range(3):
            assert all(
                {name: each.shape for name, each in buffer.items()}
                == {name: each.shape for name, each in codes.items()}
                for buffer in state.values()
            ), "a buffer of the state must have one tensor per code, of the code's shape"
            with global_generator_untouched():
                moved = optimizer.before_gradients(moved, state, number, {"shared"})
                moved, state = optimizer.update(moved, state, gradients, number, {"shared"})
        outcomes.append(moved)
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
    for name, code in outcomes[0].items():
        assert bool(code.isfinite().all()), "a code is not finite"
        assert bool((code < codes[name]).all()), "a step is not against the gradient"


def check_evaluator(evaluator: Evaluator, synset: Synset, data: RealData) -> None:
    """Scores are finite, reproducible and of the same metrics in each run; progress is between 0 and 1.

    The evaluator gets only what it declares in `needs`.
    """
    check_stage(evaluator)
    evaluator.refuse_unfit(data.spec)
    fractions: list[float] = []
    matched = len(synset) // len(data.spec.classes)
    inputs = EvaluatorInputs(synset.split(), matched, data, synset.codes, evaluator.needs)
    with global_generator_untouched():
        first, again, other = (
            evaluator.score(inputs, ToyModel(), STREAMS.child(run), fractions.append) for run in (0, 0, 1)
        )
    assert first, "there is no score"
    assert first == again, "the same streams give different scores"
    assert list(first) == list(other), "another run has other metrics, or in another order"
    assert all(map(isfinite, (*first.values(), *other.values()))), "a score is not finite"
    assert all(0 <= fraction <= 1 for fraction in fractions), "progress is not between 0 and 1"


def check_labeller(labeller: Labeller) -> None:
    """Finite logits for each image, the same each time."""
    check_stage(labeller)
    split = toy_split()
    labeller.refuse_unfit(ToyModel(), split)
    if not labeller.soft:
        return
    _check_pools(labeller, split)
    with global_generator_untouched():
        logits, again = (labeller.logits(split.batch(), ToyModel(), split) for _ in range(2))
    expected = (len(split), len(split.spec.classes))
    assert logits.shape == expected, f"the logits have the shape {tuple(logits.shape)}, not {expected}"
    assert bool(logits.isfinite().all()), "a logit is not finite"
    assert torch.equal(logits, again), "the same images get different logits"


def _check_pools(stage: PretrainedStage, split: Split) -> None:
    """Train what a stage needs as the engine does, in another order and each network twice."""
    model = ToyModel()
    for pool in stage.pools():
        pool.refuse_unfit(model, split)
        files = list(pool.files(model, split))
        assert files, "a pool has no networks"
        assert files == list(pool.files(model, split)), "files() gives other files the second time"
        determined_by = pool.fingerprint(model, split)
        assert determined_by == pool.fingerprint(model, split), "fingerprint() differs the second time"
        other = pool.fingerprint(model, toy_split(seed=1))
        assert determined_by != other, "fingerprint() does not depend on the data"
        assert pool.training_images(split) > 0, "training_images() is 0, so nothing would be trained"
        before = [file.is_file() for file in files]
        with global_generator_untouched():
            assert pool.try_training(model, split) > 0, "no image was tried, so time is unknown"
        assert [file.is_file() for file in files] == before, "try_training() has kept a network"
        for number, file in reversed(list(enumerate(files))):
            fractions: list[float] = []
            contents: list[bytes] = []
            for _ in range(2):
                with global_generator_untouched():
                    pool.train(number, model, split, fractions.append)
                assert file.is_file(), f"train({number}, …) does not write {file}"
                contents.append(file.read_bytes())
            assert contents[0] == contents[1], "a network trained again has another file"
            assert all(0 <= fraction <= 1 for fraction in fractions), "progress is not between 0 and 1"
        pool.refuse_unfit(model, split)


def _of_one_class(count: int, generator: Generator) -> Batch:
    return Batch(_normal(count, generator), torch.ones(count, dtype=torch.int64))


def _normal(count: int, generator: Generator) -> Tensor:
    return torch.randn(count, *SPEC.shape, generator=generator, dtype=torch.float64)
