"""Checks of the stages that build, train and look through networks."""

import torch
from torch import Generator, Tensor

from idc.data import RealData, Split
from idc.kinds import Evaluator, Model, Networks, Objective
from idc.network import FeatureNetwork, Network, NetworkView
from idc.seeding import Streams
from idc.shapes import Batch
from idc.spec import ImageSpec
from idc.synset import Synset
from idc.testing.assertions import check_stage, equal, global_generator_untouched
from idc.testing.toy import SPEC, STREAMS, ToyModel, toy_split


def check_model(model: Model, spec: ImageSpec = SPEC) -> None:
    """Logits of the right shape, initial weights that follow the seed, gradients for every weight."""
    check_stage(model)
    networks = []
    for seed in (0, 0, 1):
        with Streams(seed).seeded("weights"):
            networks.append(Network.of(model.build(spec), STREAMS))
    first, same, other = networks
    assert equal(first.weights, same.weights), "the same seed gives other initial weights"
    assert not equal(first.weights, other.weights), "another seed gives the same initial weights"
    batch = Batch(toy_split(2, spec).images(), toy_split(2, spec).labels)
    logits = first.logits(batch.images)
    assert logits.shape == (len(batch), len(spec.classes)), f"logits are of shape {tuple(logits.shape)}"
    if isinstance(first.module, FeatureNetwork):
        features = first.features(batch.images)
        assert features, "features() gives no layer"
        assert all(len(layer) == len(batch) for layer in features), "a layer's features are not one per image"
    gradients = NetworkView(first).gradients(batch)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients.values()), "a gradient is not finite"


def check_objective(objective: Objective) -> None:
    """A finite scalar whose gradient is finite, not zero and right, for batches of different sizes."""
    check_stage(objective)
    with STREAMS.seeded("weights"):
        network = Network.of(ToyModel().build(SPEC).double(), STREAMS)
    generator = STREAMS.generator("objective")
    view = NetworkView(network)
    for real_count, syn_count in ((5, 2), (1, 1)):
        real = Batch(_normal(real_count, generator), torch.ones(real_count, dtype=torch.int64))
        labels = torch.ones(syn_count, dtype=torch.int64)
        leaf = _normal(syn_count, generator).requires_grad_()

        def distance(
            images: Tensor, view: NetworkView = view, real: Batch = real, labels: Tensor = labels
        ) -> Tensor:
            return objective.distance(view, real, Batch(images, labels))

        value = distance(leaf)
        assert value.shape == (), f"the distance is of shape {tuple(value.shape)}, not a scalar"
        assert bool(value.isfinite()), "the distance is not finite"
        assert value.requires_grad, "the distance does not depend on syn.images"
        (gradient,) = torch.autograd.grad(value, leaf)
        assert bool(gradient.isfinite().all()), "the gradient is not finite"
        assert bool(gradient.any()), "the gradient is zero"
        assert torch.equal(value, distance(leaf)), "the same batches give another distance"
        torch.autograd.gradcheck(distance, leaf)


def check_networks(networks: Networks) -> None:
    """Networks that follow their streams, are finite, and do not touch the real data."""
    check_stage(networks)
    split = toy_split()
    networks.refuse_unfit(ToyModel(), split)
    before = split.pixels.clone()

    def synthetic() -> Split:
        return split

    outcomes: list[Network] = []
    for _ in range(2):
        with global_generator_untouched():
            network = networks.start(0, None, ToyModel(), split, STREAMS)
            network = networks.train(network, split, synthetic)
            network = networks.start(1, network, ToyModel(), split, STREAMS.child(1))
            outcomes.append(networks.train(network, split, synthetic))
    first, second = outcomes
    assert equal(first.weights, second.weights), "the same streams give another network"
    assert all(bool(w.isfinite().all()) for w in first.weights.values()), "a weight is not finite"
    assert torch.equal(split.pixels, before), "the real data were changed"


def check_evaluator(evaluator: Evaluator, synset: Synset, data: RealData) -> None:
    """Scores that are finite and the same for the same streams, with progress from 0 to 1."""
    check_stage(evaluator)
    evaluator.refuse_unfit(data.spec)
    shares: list[float] = []
    with global_generator_untouched():
        first, second = (
            list(evaluator.evaluate(synset, data, ToyModel(), STREAMS, shares.append)) for _ in range(2)
        )
    assert first, "there is no evaluation"
    assert first == second, "the same streams give other scores"
    assert all(torch.tensor(each.values).isfinite().all() for each in first), "a score is not finite"
    assert all(0 <= share <= 1 for share in shares), "progress is not a share"


def _normal(count: int, generator: Generator) -> Tensor:
    return torch.randn(count, *SPEC.shape, generator=generator, dtype=torch.float64)
