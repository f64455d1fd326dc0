"""Checks of models, networks, labellers and evaluators."""

from math import isfinite

import torch

from idc.data.split import RealData, Split
from idc.kinds import (
    Evaluator,
    EvaluatorInputs,
    Labeller,
    Model,
    Networks,
    PretrainedStage,
)
from idc.network.network import FeatureNetwork, MapNetwork, Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch
from idc.spec import ImageSpec
from idc.synset.synset import Synset
from idc.testing.assertions import (
    check_stage,
    equal,
    global_generator_untouched,
)
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


def check_evaluator(evaluator: Evaluator, synset: Synset, data: RealData) -> None:
    """Scores are finite, reproducible and of the same metrics in each run; progress is between 0 and 1.

    The evaluator gets only what it declares in `needs`.
    """
    check_stage(evaluator)
    evaluator.refuse_unfit(data.spec, ToyModel())
    fractions: list[float] = []
    matched = len(synset) // len(data.spec.classes)
    inputs = EvaluatorInputs(evaluator.needs, data, synset.name, synset.split(), matched, synset.codes)
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
