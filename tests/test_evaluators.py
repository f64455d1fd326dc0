"""The retrain evaluator and its protocol."""

import json
from pathlib import Path

import pytest

from golden_cases import GOLDEN
from idc.data import RealData
from idc.engine import condense
from idc.errors import InputError
from idc.evaluation import baselines, evaluate
from idc.evaluators.retrain import Retrain
from idc.report import Evaluation
from idc.seeding import Streams
from idc.testing import ToyModel, toy_split, toy_synset
from small import small_pipeline

SCHEDULES = json.loads((GOLDEN / "schedules.json").read_text())["idc_evaluation_lr"]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda case: f"{case['epochs']}-{case['lr']}")
def test_the_learning_rate_is_idcs(schedule: dict[str, object]) -> None:
    rate = schedule["lr"]
    retrain = Retrain.model_validate({"epochs": schedule["epochs"], "training": {"learning_rate": rate}})
    runs = schedule["runs"]
    assert isinstance(runs, list)
    for run in runs:
        for epoch in (run["first_epoch"], run["last_epoch"]):
            assert retrain.learning_rate(epoch - 1) == pytest.approx(run["lr"], rel=1e-12)


def test_the_protocol_fills_in_what_the_table_leaves_out() -> None:
    retrain = Retrain.model_validate({})
    assert retrain.protocol_as_run() == "idc-2022"
    assert (retrain.epochs, retrain.decay, retrain.training.cutmix) == (1000, 0.2, 0.5)
    changed = Retrain.model_validate({"epochs": 10, "runs": 1, "training": {"cutmix": 0.0}})
    assert changed.training.learning_rate == 0.01
    assert changed.protocol_as_run() == "idc-2022 (changed: epochs, training.cutmix)"


def score(retrain: Retrain, seed: int = 0) -> list[Evaluation]:
    synset, _ = toy_synset(RealData(toy_split(), toy_split(100, seed=1)))
    data = RealData(toy_split(), toy_split(100, seed=1))
    return list(retrain.evaluate(synset, data, ToyModel(), Streams(seed), lambda share: None))


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
    list(quick(epochs=4, runs=2).evaluate(synset, data, ToyModel(), Streams(0), shares.append))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) == 8


def test_a_synset_of_other_images_is_refused() -> None:
    synset, data = toy_synset()
    spec = data.spec.model_copy(update={"classes": ("a", "b")})
    header = synset.header.model_copy(update={"spec": spec})
    other = type(synset)(header, synset.decoder, synset.codes)
    with pytest.raises(InputError, match="evaluate it on the dataset it was condensed from"):
        list(quick().evaluate(other, data, ToyModel(), Streams(0), lambda share: None))


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
