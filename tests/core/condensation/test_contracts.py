"""Stages that look at the data, hold what they computed, or make soft labels, in whole and resumed runs."""

from pathlib import Path
from typing import Any

import pytest
import torch

from idc import Synset, condense
from idc.condensation import checkpoint
from idc.condensation.loop import Condensation
from idc.experiment.score import evaluate
from idc.kinds import Objective, RealData
from idc.stages.objectives.characteristic import Characteristic
from idc.stages.samplers.k_means import KMeans
from idc.testing import toy_split
from small import small_pipeline

CASES: dict[str, dict[str, Any]] = {
    "k-means": {"sampler": {"type": "k-means", "batch_size": 4, "interval": 3}},
    "characteristic": {"objective": {"type": "characteristic", "frequencies": 8}},
    "soft": {"decoder": {"type": "raw", "labels": "soft"}, "init": {"type": "random"}},
    "adam": {"optimizer": {"type": "adam", "learning_rate": 0.01}},
    "together": {
        "sampler": {"type": "k-means", "batch_size": 4, "interval": 3},
        "objective": {"type": "characteristic", "frequencies": 8},
        "decoder": {"type": "raw", "labels": "soft"},
        "init": {"type": "random"},
        "optimizer": {"type": "adam", "learning_rate": 0.01},
    },
}
DATA = RealData(toy_split(), toy_split(seed=1))


def run_of(case: str, **overrides: object) -> Condensation:
    pipeline = small_pipeline(
        iterations=2, inner_steps=4, augment=[], baseline=[], **CASES[case], **overrides
    )
    return condense(pipeline, DATA, device="cpu")


def equal(first: Condensation, second: Condensation) -> bool:
    return all(torch.equal(first.codes[name], second.codes[name]) for name in first.codes)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [0, 2, 4, 5])
def test_a_run_resumed_at_any_step_ends_at_the_same_bits(case: str, steps: int, tmp_path: Path) -> None:
    whole, begun, resumed = run_of(case), run_of(case), run_of(case)
    for _ in whole:
        pass
    for _ in range(steps):
        next(begun)
    checkpoint.save(tmp_path / "checkpoint.safetensors", begun, 0.0)
    checkpoint.restore(checkpoint.read(tmp_path / "checkpoint.safetensors"), resumed)
    assert resumed.steps_done == steps
    for _ in resumed:
        pass
    assert equal(whole, resumed)
    assert not equal(whole, run_of(case))


def test_the_sampler_looks_every_interval_and_not_again_on_resuming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[int] = []
    original = KMeans.refresh

    def refresh(self: KMeans, members: Any, real: Any, network: Any, step: int, streams: Any) -> Any:
        looked.append(step)
        return original(self, members, real, network, step, streams)

    monkeypatch.setattr(KMeans, "refresh", refresh)
    run = run_of("k-means")
    for _ in range(5):
        next(run)
    resumed = run_of("k-means")
    resumed.restore(run.state)
    next(resumed)
    # Twice each, because there are two classes.
    assert looked == [0, 0, 3, 3]


def test_the_objective_is_prepared_with_all_data_once_and_not_again_on_resuming(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    original = Characteristic.prepare

    def prepare(self: Characteristic, real: Any, model: Any, streams: Any) -> Any:
        sizes.append(len(real))
        return original(self, real, model, streams)

    monkeypatch.setattr(Characteristic, "prepare", prepare)
    run = run_of("characteristic")
    assert sizes == [4], "before a run it is tried on two images of each class"
    next(run)
    next(run)
    assert sizes == [4, len(DATA.train)]
    resumed = run_of("characteristic")
    resumed.restore(run.state)
    next(resumed)
    assert sizes == [4, len(DATA.train), 4]


def test_what_is_prepared_depends_on_the_seed() -> None:
    first, second = (run_of("characteristic", seed=seed).trial_prepared["frequencies"] for seed in (0, 1))
    assert not torch.equal(first, second)


def test_most_objectives_prepare_nothing() -> None:
    assert Objective.prepare(Characteristic(), DATA.train, small_pipeline().model, None) == {}  # pyright: ignore[reportArgumentType]


def test_soft_labels_reach_the_file_the_loader_and_the_training(tmp_path: Path) -> None:
    run = run_of("soft")
    before = run.synset().labels
    for _ in run:
        pass
    run.synset().save(tmp_path / "soft.safetensors")
    synset = Synset.load(tmp_path / "soft.safetensors")
    assert synset.header.budget == 2 * 2 * (3 * 8 * 8 + 2), "the logits count in the budget"
    assert synset.labels.shape == (4, 2)
    assert not torch.equal(synset.labels, before), "the labels were optimised"
    torch.testing.assert_close(synset.labels.sum(1), torch.ones(4))
    assert synset.class_numbers.tolist() == [0, 0, 1, 1]

    loader = torch.utils.data.DataLoader(synset.dataset(), batch_size=4)
    images, labels = next(iter(loader))
    assert images.shape == (4, 3, 8, 8)
    assert torch.equal(labels, synset.labels)

    (score,) = evaluate(synset, DATA, device="cpu")
    assert score.n == 2


def test_training_learns_the_probabilities_of_soft_labels() -> None:
    split = toy_split(8)
    shares = torch.tensor([0.7, 0.3]).repeat(len(split), 1)
    soft = type(split)(split.pixels, shares, split.spec)
    from idc.seeding import Streams
    from idc.testing import ToyModel
    from idc.training.recipe import Training

    training = Training(learning_rate=0.1, batch_size=16)
    network = ToyModel().fresh(split.spec, Streams(0))
    trained = training.steps(network, soft, 300)
    given = trained.logits(split.images()).softmax(1).mean(0)
    torch.testing.assert_close(given, torch.tensor([0.7, 0.3]), atol=0.02, rtol=0)
