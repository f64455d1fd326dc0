"""Scores of several synsets by several evaluators, one network at a time."""

from collections.abc import Callable
from typing import ClassVar, Literal

import pytest

from idc.experiment.score import evaluate_all
from idc.kinds import Evaluator, EvaluatorInputs, ImageSpec, Model, Streams
from idc.kinds.evaluator import Need
from idc.synset.synset import Synset
from idc.testing import toy_synset
from idc_models.convnet import ConvNet
from small import small_pipeline


class Addressed(Evaluator):
    """Its scores say which network they are of."""

    type: Literal["addressed"] = "addressed"
    needs: ClassVar[frozenset[Need]] = frozenset()
    runs: int = 2

    def refuse_unfit(self, spec: ImageSpec) -> None:
        pass

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> dict[str, float]:
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
    other = Synset(synset.header.model_copy(update={"budget": 7}), synset.decoder, synset.codes)
    evaluators = (Addressed(models=(NARROW, WIDE)), Untrained(models=(WIDE,)))
    plan = small_pipeline().model_copy(update={"model": NARROW, "evaluate": evaluators})
    decoded: list[int] = []
    split = Synset.split
    monkeypatch.setattr(Synset, "split", lambda self: decoded.append(self.header.budget) or split(self))
    shares: list[tuple[float, int]] = []
    found = list(
        evaluate_all(
            [synset, other],
            data,
            plan,
            device="cpu",
            progress=lambda share, each: shares.append((share, each.header.budget)),
        )
    )
    assert decoded == [synset.header.budget, 7]
    assert [(each.synset, each.complete) for each in found] == [
        *((0, False), (0, False), (0, True)),
        *((1, False), (1, False), (1, True)),
    ]
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
    assert shares[0] == (0.05, synset.header.budget)
    assert shares[-1] == (1.0, 7)
    assert shares == sorted(shares, key=lambda share: share[0])
