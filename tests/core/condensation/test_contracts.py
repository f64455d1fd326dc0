"""Stages that look at the data, hold what they computed, or make soft labels, in whole and resumed runs."""

from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from idc import Synset, condense
from idc.condensation import checkpoint
from idc.condensation.loop import Condensation
from idc.experiment.score import evaluate
from idc.kinds import (
    Batch,
    ClassNumbers,
    Codes,
    InputError,
    Model,
    NetworkView,
    Objective,
    PixelDecoder,
    RealData,
    Scalar,
    Split,
    StoredImages,
    Streams,
    Tensors,
)
from idc.spec import ImageSpec
from idc.stages.decoders.raw import Raw
from idc.stages.objectives.characteristic import Characteristic
from idc.stages.samplers.k_means import KMeans
from idc.testing import toy_split
from messages import assert_names
from small import small_pipeline

CASES: dict[str, dict[str, Any]] = {
    "k-means": {"sampler": {"type": "k-means", "batch_size": 4, "interval": 3}},
    "characteristic": {"objective": {"type": "characteristic", "frequencies": 8, "redraw": False}},
    "in turn": {
        "objective": {
            "type": "sum",
            "steps": "in-turn",
            "terms": [
                {"objective": {"type": "characteristic", "frequencies": 8}},
                {"weight": 0.5, "objective": {"type": "cross-entropy"}},
            ],
        },
    },
    "history": {"objective": {"type": "moments", "history": 5.0, "history_from": 2}},
    "history in turn": {
        "objective": {
            "type": "sum",
            "steps": "in-turn",
            "terms": [
                {"objective": {"type": "moments", "history": 5.0, "history_from": 2}},
                {"weight": 0.5, "objective": {"type": "cross-entropy"}},
            ],
        },
    },
    "soft": {"decoder": {"type": "raw", "labels": "soft"}, "init": {"type": "random"}},
    "adam": {"optimizer": {"type": "adam", "learning_rate": 0.01}},
    "adamw": {
        "optimizer": {
            "type": "adamw",
            "learning_rate": 0.01,
            "step": "class",
            "schedule": {"milestones": [3], "warmup": 2},
        }
    },
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
    # Images with soft labels are not mixed.
    return condense(pipeline.override({"evaluate.0.training.cutmix": 0.0}), DATA, device="cpu")


def equal(first: Condensation, second: Condensation) -> bool:
    return all(torch.equal(code, second.codes()[name]) for name, code in first.codes().items())


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
    assert looked == [0], "before a run it is tried on two images of a class"
    for _ in range(5):
        next(run)
    # Twice each, because there are two classes.
    assert looked == [0, 0, 0, 3, 3]
    resumed = run_of("k-means")
    resumed.restore(run.group.state)
    next(resumed)
    assert looked == [0, 0, 0, 3, 3, 0]


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
    resumed.restore(run.group.state)
    next(resumed)
    assert sizes == [4, len(DATA.train), 4]


def test_what_is_remembered_counts_and_is_in_the_checkpoint(tmp_path: Path) -> None:
    run, other = run_of("history"), run_of("history", objective__history=0.0)
    for step in range(4):
        assert equal(run, other) is (step <= 2), "the history counts from the step after two"
        next(run)
        next(other)
    assert other.group.state.remembered == {}
    checkpoint.save(tmp_path / "checkpoint.safetensors", run, 0.0)
    resumed = run_of("history")
    checkpoint.restore(checkpoint.read(tmp_path / "checkpoint.safetensors"), resumed)
    assert sorted(resumed.group.state.remembered) == [0, 1]
    for label, tensors in run.group.state.remembered.items():
        assert tensors["steps"].item() == 4
        assert torch.equal(resumed.group.state.remembered[label]["mean"], tensors["mean"])
    run = run_of("history in turn")
    next(run)
    assert sorted(run.group.state.remembered[0]) == ["0.mean", "0.steps"]


def test_what_is_prepared_depends_on_the_seed() -> None:
    groups = (run_of("characteristic", seed=seed).group for seed in (0, 1))
    first, second = (group.trial_prepared["frequencies"] for group in groups)
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


def test_soft_labels_and_cutmix_are_refused_before_anything_is_trained() -> None:
    pipeline = small_pipeline(baseline=[], **CASES["soft"])
    with pytest.raises(InputError) as error:
        condense(pipeline, DATA, device="cpu")
    assert_names(str(error.value), "evaluate: ", "'idc-2022'", "0.5", "training.cutmix = 0")


def test_training_learns_the_probabilities_of_soft_labels() -> None:
    split = toy_split(8)
    shares = torch.tensor([0.7, 0.3]).repeat(len(split), 1)
    soft = type(split)(split.pixels, shares, split.spec)
    from idc.testing import ToyModel
    from idc.training.recipe import Training

    training = Training(learning_rate=0.1, batch_size=16)
    network = ToyModel().fresh(split.spec, Streams(0))
    trained = training.steps(network, soft, 300)
    given = trained.logits(split.images()).softmax(1).mean(0)
    torch.testing.assert_close(given, torch.tensor([0.7, 0.3]), atol=0.02, rtol=0)


class Borrowing(Objective):
    type: Literal["borrowing"] = "borrowing"

    def prepare(self, real: Split, model: Model, streams: Streams) -> Tensors:
        layer = torch.nn.Linear(8, 8)
        return {"whole": layer.weight, "first": layer.weight[:1]}

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        rows = (real.images.mean((0, 1, 2)) - syn.images.mean((0, 1, 2))) @ net.prepared["whole"]
        return (rows**2).sum()


def test_what_is_prepared_is_constant_may_share_memory_and_follows_the_seed(tmp_path: Path) -> None:
    pipeline = small_pipeline(iterations=1, inner_steps=3, augment=[], baseline=[])
    pipeline = pipeline.model_copy(update={"objective": Borrowing()})
    before = torch.get_rng_state()
    first, second = (condense(pipeline, DATA, device="cpu") for _ in range(2))
    for _ in first:
        pass
    next(second)
    assert torch.equal(before, torch.get_rng_state()), "torch's global generator is left as it was"
    checkpoint.save(tmp_path / "checkpoint.safetensors", second, 0.0)
    assert checkpoint.read(tmp_path / "checkpoint.safetensors").header.prepared
    for _ in second:
        pass
    assert equal(first, second)


def test_a_label_for_each_image() -> None:
    class Short(PixelDecoder):
        type: Literal["short"] = "short"

        def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
            batch = Batch(codes["images"].repeat(2, 1, 1, 1), labels.repeat(2))
            # Where shapes are checked, as in these tests, such a batch cannot be made.
            object.__setattr__(batch, "labels", labels)
            return batch

    pipeline = small_pipeline(augment=[], baseline=[], init={"type": "random"})
    with pytest.raises(InputError) as refused:
        condense(pipeline.model_copy(update={"decoder": Short()}), DATA, device="cpu")
    assert_names(str(refused.value), "decoder", "'short'", "4 images", "2 labels")


def test_only_soft_labels_may_be_optimised() -> None:
    class Labelled(PixelDecoder):
        type: Literal["labelled"] = "labelled"

        def encode(
            self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams
        ) -> Codes:
            return Raw(labels="soft").encode(images, images_per_class, spec, streams)

        def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
            return Batch(codes["images"].detach(), codes["logits"].softmax(1))

    pipeline = small_pipeline(iterations=1, inner_steps=2, augment=[], baseline=[], init={"type": "random"})
    pipeline = pipeline.model_copy(update={"decoder": Labelled()})
    run = condense(pipeline, DATA, device="cpu")
    before = {name: code.clone() for name, code in run.codes().items()}
    for _ in run:
        pass
    assert torch.equal(run.codes()["images"], before["images"].clamp(0, 1))
    assert not torch.equal(run.codes()["logits"], before["logits"])
