"""The retrain evaluator and its protocol."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from golden_cases import GOLDEN
from idc.condensation.loop import condense
from idc.data.split import RealData
from idc.errors import InputError
from idc.experiment.score import baselines, evaluate
from idc.kinds import EvaluatorInputs
from idc.kinds.evaluation import Evaluation
from idc.network.network import Network
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.stages.evaluators.protocols import epochs_by_images
from idc.stages.evaluators.retrain import Retrain
from idc.synset.synset import Synset
from idc.testing import ToyModel, toy_split, toy_synset
from idc.training.recipe import Training
from messages import assert_names
from small import small_pipeline

SCHEDULES = json.loads((GOLDEN / "schedules.json").read_text())


@pytest.mark.parametrize(
    "schedule", SCHEDULES["idc_evaluation_lr"], ids=lambda case: f"{case['epochs']}-{case['lr']}"
)
def test_the_learning_rate_is_idcs(schedule: dict[str, Any]) -> None:
    rate = schedule["lr"]
    retrain = Retrain.model_validate({"epochs": schedule["epochs"], "training": {"learning_rate": rate}})
    runs, run_epochs = schedule["runs"], schedule["epochs"]
    for run in runs:
        for epoch in (run["first_epoch"], run["last_epoch"]):
            rate = retrain.learning_rate(epoch - 1, run_epochs)
            assert rate == pytest.approx(run["lr"], rel=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES["dc_evaluation_lr"], ids=lambda case: str(case["epochs_run"]))
def test_the_learning_rate_is_dcs(schedule: dict[str, Any]) -> None:
    protocol = {301: "dc-2021", 1001: "dsa-2021"}[schedule["epochs_run"]]
    retrain = Retrain.model_validate({"protocol": protocol})
    assert (retrain.epochs, retrain.restart) == (schedule["epochs_run"], True)
    assert (retrain.training.momentum, retrain.training.batch_size) == (0.9, 256)
    for run in schedule["runs"]:
        for epoch in (run["first_epoch_index"], run["last_epoch_index"]):
            assert retrain.learning_rate(epoch, schedule["epochs_run"]) == pytest.approx(run["lr"], rel=1e-12)
        assert retrain.training.weight_decay == run["weight_decay"]


def test_dance_evaluates_as_idc_for_longer() -> None:
    dance, idc = (Retrain.model_validate({"protocol": name}) for name in ("dance-2024", "idc-2022"))
    assert dance.training == idc.training
    assert dance.epochs == 1500
    rates = [dance.learning_rate(epoch, 1500) for epoch in (999, 1000, 1249, 1250)]
    assert rates == pytest.approx([1e-2, 2e-3, 2e-3, 4e-4], rel=1e-12)


def test_ncfm_evaluates_with_adamw_and_halves_its_rate_at_each_fifth() -> None:
    retrain = Retrain.model_validate({"protocol": "ncfm-2025"})
    training = retrain.training
    assert (retrain.epochs, retrain.restart, training.optimizer) == (2000, False, "adamw")
    assert (training.batch_size, training.cutmix, training.weight_decay) == (128, 0.5, 0.01)
    for epochs in (40, 300, 2000):
        for epoch in range(epochs):
            expected = 1e-3 * 0.5 ** (5 * epoch // epochs)
            assert retrain.learning_rate(epoch, epochs) == pytest.approx(expected, rel=1e-12)
    assert retrain.protocol_as_run() == "ncfm-2025"
    changed = Retrain.model_validate(
        {
            "protocol": "ncfm-2025",
            "training": {"optimizer": "sgd", "betas": [0.9, 0.99], "temperature": 4.0},
        }
    )
    assert changed.protocol_as_run() == (
        "ncfm-2025 (changed: training.optimizer sgd, training.betas 0.9/0.99, training.temperature 4.0)"
    )


def test_momentum_is_forgotten_where_the_rate_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    resting: list[bool] = []

    def step(recipe: Training, network: Network, *_: object) -> Network:
        resting.append(not network.optimizer and network.optimizer_steps == 0)
        state = {"velocity": network.weights}
        return replace(network, optimizer=state, optimizer_steps=1, batches=network.batches + 1)

    monkeypatch.setattr(Training, "step", step)
    score(quick(epochs=4, runs=1, milestones=[0.5], restart=True))
    assert resting == [True, False, True, False]


@pytest.mark.parametrize("case", SCHEDULES["ipc_epoch"], ids=str)
def test_epochs_on_imagenet_are_idcs(case: dict[str, int]) -> None:
    images = case["ipc"] * max(case["factor"], 1) ** 2
    images = min(images, case["bound"]) if case["bound"] > 0 else images
    assert epochs_by_images(images, case["nclass"]) == case["epochs"]


def test_epochs_may_follow_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    epochs: list[int] = []
    monkeypatch.setattr(
        "idc.stages.evaluators.protocol_evaluator.epochs_by_images",
        lambda images, classes: epochs.append(images) or 2,
    )
    score(quick(epochs="by-images", runs=1))
    assert epochs == [2]


def test_the_best_accuracy_is_an_extra_that_says_so() -> None:
    last, best = score(quick(best=True, epochs=20))
    assert last == score(quick(epochs=20))[0]
    assert best.metric == "best accuracy on the test split"
    assert all(high >= final for high, final in zip(best.values, last.values, strict=True))
    assert best.mean >= last.mean


def test_the_protocol_fills_in_what_the_table_leaves_out() -> None:
    retrain = Retrain.model_validate({})
    assert retrain.protocol_as_run() == "idc-2022"
    assert (retrain.epochs, retrain.decay, retrain.training.cutmix) == (1000, 0.2, 0.5)
    changed = Retrain.model_validate({"epochs": 10, "runs": 1, "training": {"cutmix": 0.0}})
    assert changed.training.learning_rate == 0.01
    assert changed.protocol_as_run() == "idc-2022 (changed: epochs 10, training.cutmix 0.0)"


def test_protocols_that_differ_in_their_augmentation_have_other_names() -> None:
    augmentations = ([], [{"type": "dsa"}], [{"type": "dsa", "strategy": "color_crop"}])
    names = [
        Retrain.model_validate({"training": {"augment": augment}}).protocol_as_run()
        for augment in augmentations
    ]
    assert names[0] == "idc-2022 (changed: training.augment none)"
    assert len(set(names)) == 3
    assert all("training.augment dsa-" in name for name in names[1:])
    milestones = Retrain.model_validate({"milestones": [0.5, 0.75]})
    assert milestones.protocol_as_run() == "idc-2022 (changed: milestones 0.5/0.75)"


def inputs(synset: Synset, data: RealData) -> EvaluatorInputs:
    return EvaluatorInputs(quick().needs, data, synset.name, synset.split(), 2, synset.codes)


def score(retrain: Retrain) -> list[Evaluation]:
    synset, data = toy_synset(RealData(toy_split(), toy_split(100, seed=1)))
    pipeline = small_pipeline().model_copy(update={"model": ToyModel(), "evaluate": (retrain,)})
    return list(evaluate(synset, data, pipeline, device="cpu"))


def quick(**fields: object) -> Retrain:
    return Retrain.model_validate(
        {"epochs": 60, "runs": 3, "training": {"augment": [], "cutmix": 0.0, "learning_rate": 0.1}, **fields}
    )


def test_networks_trained_on_the_synset_are_tested_on_real_images() -> None:
    (evaluation,) = score(quick())
    assert evaluation.n == 3
    assert evaluation.mean > 85
    (hasty,) = score(quick(epochs=20))
    assert len(set(hasty.values)) > 1, "each run has its own seed"
    (untrained,) = score(quick(epochs=1, training={"augment": [], "cutmix": 0.0, "learning_rate": 1e-9}))
    assert untrained.mean < 75


def test_each_model_has_its_own_row() -> None:
    rows = score(quick(epochs=1, models=[{"type": "convnet", "depth": 1, "width": 2}, ToyModel()]))
    assert [row.model for row in rows] == ["convnet (depth=1, width=2)", "toy"]


def test_progress_goes_from_0_to_1() -> None:
    synset, data = toy_synset()
    shares: list[float] = []
    quick(epochs=4).score(inputs(synset, data), ToyModel(), Streams(0), shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_a_synset_of_other_images_is_refused() -> None:
    synset, data = toy_synset()
    spec = data.spec.model_copy(update={"classes": ("a", "b")})
    header = synset.header.model_copy(update={"spec": spec})
    other = type(synset)(header, synset.decoder, synset.codes)
    with pytest.raises(InputError) as error:
        quick().score(inputs(other, data), ToyModel(), Streams(0), lambda share: None)
    parts = ("('left', 'right')", "synset", "('a', 'b')", "condensed from", "idc import --classes")
    assert_names(str(error.value), "dataset: classes ", *parts)


def test_baselines_are_scored_under_their_names_at_the_same_budget() -> None:
    pipeline = small_pipeline(baseline__0__draws=2, evaluate__0__epochs=1, evaluate__0__runs=1)
    data = pipeline.dataset.load(Path())
    first, second = baselines(pipeline, data, device="cpu")
    assert not first.codes["images"].equal(second.codes["images"]), "each draw is drawn anew"
    (evaluation,) = evaluate(first, data, pipeline, device="cpu")
    assert evaluation.synset == "random"
    assert evaluation.budget == 10 * 2 * 64


def test_a_synset_is_scored_by_its_own_pipeline_by_default() -> None:
    condensation = condense(small_pipeline(iterations=0), device="cpu")
    shares: list[float] = []
    (evaluation,) = evaluate(condensation.synset(), condensation.data, device="cpu", progress=shares.append)
    assert (evaluation.synset, evaluation.n, evaluation.model) == ("idc", 2, "convnet (depth=2, width=4)")
    assert shares[-1] == 1.0


def test_networks_are_tested_with_the_statistics_they_were_trained_with() -> None:
    synset, data = toy_synset(RealData(toy_split(), toy_split(100, seed=1)))
    other = data.spec.model_copy(update={"mean": (0.9, 0.9, 0.9), "std": (0.01, 0.01, 0.01)})
    shifted = RealData(replace(data.train, spec=other), replace(data.test, spec=other))
    first, second = (
        quick(epochs=20).score(inputs(synset, each), ToyModel(), Streams(0), lambda share: None)
        for each in (data, shifted)
    )
    assert first == second


def test_evaluators_are_checked_before_they_evaluate() -> None:
    synset = condense(small_pipeline(iterations=0), device="cpu").synset()
    plan = small_pipeline(evaluate__0__models=[{"type": "convnet", "depth": 9}])
    with pytest.raises(InputError, match=r"^evaluate: models\.0: model\.depth: 9"):
        list(evaluate(synset, plan.dataset.load(Path()), plan, device="cpu"))


def test_another_precision_is_named_beside_the_protocol() -> None:
    retrain = Retrain.model_validate({"epochs": 3})
    assert retrain.protocol_as_run() == "idc-2022 (changed: epochs 3)"
    with Execution(precision="bf16").active():
        assert retrain.protocol_as_run() == "idc-2022 (changed: epochs 3, precision bf16)"
