"""Scores of several synsets by several evaluators, one network at a time."""

from collections.abc import Callable
from typing import ClassVar, Literal

import pytest

from idc.experiment.score import evaluate_all, networks_scored, real_alone
from idc.kinds import Evaluation, Evaluator, EvaluatorInputs, ImageSpec, Model, Need, Point, Scores, Streams
from idc.synset.synset import Synset
from idc.testing import toy_synset
from idc_models.convnet import ConvNet
from small import small_pipeline


class Addressed(Evaluator):
    """Its scores say which network they are of."""

    type: Literal["addressed"] = "addressed"
    runs: int = 2

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"synthetic"})

    def refuse_unfit(self, spec: ImageSpec, model: Model) -> None:
        pass

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> Scores:
        what, number, run = streams.address
        assert what == "evaluate"
        assert isinstance(model, ConvNet)
        progress(0.5)
        return {"which": 10.0 * int(number) + int(run), "width": model.width}


class Untrained(Addressed):
    type: Literal["untrained"] = "untrained"  # pyright: ignore[reportIncompatibleVariableOverride]
    trains_networks: ClassVar[bool] = False


NARROW, WIDE = ConvNet(width=2), ConvNet(width=3)


def test_synsets_are_scored_in_order_and_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    synset, data = toy_synset()
    named = {"budget": 7, "pipeline": {**synset.header.pipeline, "method": "other"}}
    other = Synset(synset.header.model_copy(update=named), synset.decoder, synset.codes)
    evaluators = (Addressed(models=(NARROW, WIDE)), Untrained(models=(WIDE,)))
    plan = small_pipeline().model_copy(update={"model": NARROW, "evaluate": evaluators})
    decoded: list[int] = []
    split = Synset.split
    monkeypatch.setattr(Synset, "split", lambda self: decoded.append(self.header.budget) or split(self))
    shares: list[tuple[float, str]] = []
    found = list(
        evaluate_all(
            [synset, other],
            data,
            plan,
            device="cpu",
            progress=lambda share, each: shares.append((share, each)),
        )
    )
    assert decoded == [synset.header.budget, 7]
    assert [(each.synset, each.row) for each in found] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    for each in (found[:3], found[3:]):
        assert [(row.type, row.model, row.metric, row.values) for one in each for row in one.evaluations] == [
            ("addressed", "convnet (width=2)", "which", (0.0, 1.0)),
            ("addressed", "convnet (width=2)", "width", (2.0, 2.0)),
            ("addressed", "convnet (width=3)", "which", (0.0, 1.0)),
            ("addressed", "convnet (width=3)", "width", (3.0, 3.0)),
            ("untrained", "none", "which", (10.0,)),
            ("untrained", "none", "width", (2.0,)),
        ]
    assert {row.budget for one in found[3:] for row in one.evaluations} == {7}
    assert shares[0] == (0.05, synset.name)
    assert shares[-1] == (1.0, "other")
    assert shares == sorted(shares, key=lambda share: share[0])


class OfRealData(Addressed):
    """Its scores depend on no synset."""

    type: Literal["of-real-data"] = "of-real-data"  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"test", "train"})

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> Scores:
        with pytest.raises(TypeError, match="synthetic"):
            _ = inputs.synthetic
        return {"images": float(len(inputs.train)), Point("images", "epochs", 2.0): float(len(inputs.test))}


def test_what_depends_on_no_synset_is_scored_once_for_the_real_data() -> None:
    synset, data = toy_synset()
    evaluators = (OfRealData(runs=1), Addressed(runs=1))
    plan = small_pipeline().model_copy(update={"model": NARROW, "evaluate": evaluators})
    assert real_alone(plan) == [None]
    found = list(evaluate_all([synset, synset, None], data, plan, device="cpu"))
    assert [(each.synset, each.row) for each in found] == [(0, 0), (1, 0), (2, 0)]
    assert [each.evaluations[0].type for each in found] == ["addressed", "addressed", "of-real-data"]
    count, point = found[-1].evaluations
    assert (count.synset, count.budget, count.values) == ("real data", 0, (float(len(data.train)),))
    assert (point.metric, point.along, point.at) == ("images", "epochs", 2.0)
    assert point.key != count.key
    assert networks_scored(plan, 2) == 3
    alone = plan.model_copy(update={"evaluate": evaluators[1:]})
    assert real_alone(alone) == []
    assert networks_scored(alone, 2) == 2


def test_what_is_known_is_not_scored_again() -> None:
    synset, data = toy_synset()
    evaluators = (OfRealData(runs=1), Addressed(runs=1, models=(NARROW, WIDE)))
    plan = small_pipeline().model_copy(update={"model": NARROW, "evaluate": evaluators})
    whole = list(evaluate_all([synset, None], data, plan, device="cpu"))
    assert [(each.synset, each.row) for each in whole] == [(0, 0), (0, 1), (1, 0)]
    for unknown in range(len(whole) + 1):
        found: dict[int, dict[int, list[Evaluation]]] = {}
        for each in whole[:unknown]:
            found.setdefault(each.synset, {})[each.row] = each.evaluations
        assert list(evaluate_all([synset, None], data, plan, found=found, device="cpu")) == whole[unknown:]
