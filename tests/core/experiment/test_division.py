"""What remains of a run for each of several processes, as the model says it."""

from dataclasses import replace

import pytest
import torch

from idc.condensation.loop import condense
from idc.experiment import estimate as estimates
from idc.experiment.division import Division, Parts
from idc.experiment.estimate import Estimate, estimate
from idc.experiment.score import evaluate_all, networks_scored
from idc.experiment.timing import networks_started
from idc.kinds import (
    Model,
    Network,
    Scores,
    Split,
    Streams,
)
from idc.stages.evaluators.retrain import Retrain
from idc.stages.networks.real import Real
from idc.testing.toy import Tinted
from small import small_pipeline

PARTS = Parts(pretraining=60.0, once=1.0, networks=80.0, matching=100.0, scoring=70.0)
DIVISION = Division(images=[10] * 10, pretrained=3, started=8, independent=True, scored=7)


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        (1, PARTS),
        (2, Parts(pretraining=40.0, once=1.0, networks=40.0, matching=50.0, scoring=40.0)),
        # 3, 4 and 3 classes; rounds of 3 networks.
        (3, Parts(pretraining=20.0, once=1.0, networks=30.0, matching=40.0, scoring=30.0)),
        (100, Parts(pretraining=20.0, once=1.0, networks=10.0, matching=10.0, scoring=10.0)),
        (None, Parts(pretraining=20.0, once=1.0, networks=10.0, matching=10.0, scoring=10.0)),
    ],
)
def test_classes_are_dealt_in_blocks_and_networks_in_rounds(processes: int | None, expected: Parts) -> None:
    assert DIVISION.remaining(PARTS, processes) == expected


def test_networks_that_depend_on_synthetic_images_are_undivided() -> None:
    dependent = replace(DIVISION, independent=False)
    assert dependent.remaining(PARTS, 4).networks == PARTS.networks
    assert (DIVISION.undivided(PARTS), dependent.undivided(PARTS)) == (1.0, 81.0)


def test_the_process_with_most_images_sets_the_pace() -> None:
    unequal = replace(DIVISION, images=[50, 10, 10, 10, 10, 10])
    assert unequal.remaining(PARTS, 2).matching == pytest.approx(50.0)
    assert unequal.most_classes(2) == 5
    assert unequal.remaining(PARTS, 5).matching == pytest.approx(50.0), "a class is not divided"


def test_nothing_is_divided_where_there_is_nothing() -> None:
    empty = replace(DIVISION, pretrained=0, started=0, scored=0)
    assert empty.remaining(PARTS, 4).scoring == PARTS.scoring


@pytest.mark.parametrize("every", [1, 3])
def test_networks_are_counted_as_they_are_started_and_scored(
    every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_pipeline(iterations=4, networks__every=every, evaluate__0__epochs=1, baseline=[])
    run, started, scored = condense(plan, device="cpu"), set[int](), list[int]()
    start, score = Real.start, Retrain.score

    def counted_start(
        self: Real, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        network = start(self, iteration, previous, model, real, streams)
        if network is not previous:
            started.add(iteration)
        return network

    def counted_score(self: Retrain, *arguments: object) -> Scores:
        scored.append(1)
        return score(self, *arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Real, "start", counted_start)
    monkeypatch.setattr(Retrain, "score", counted_score)
    for _ in run:
        pass
    list(evaluate_all([run.synset(), run.synset()], run.data, plan, device="cpu"))
    assert networks_started(plan) == len(started)
    assert networks_scored(plan, 2) == len(scored) == 4


def of(processes: int, monkeypatch: pytest.MonkeyPatch, **overrides: object) -> Estimate:
    """An estimate as if each part had taken what `PARTS` says."""
    monkeypatch.setattr(estimates, "timed", lambda *_: PARTS)
    run = condense(small_pipeline(iterations=8, **overrides), device="cpu")
    return estimate(run, trial=True, processes=processes)


def test_an_estimate_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    one, three = of(1, monkeypatch), of(3, monkeypatch)
    assert (one.processes, one.most_classes, one.code_bytes) == (1, 10, 20 * 64 * 4)
    assert (three.processes, three.most_classes, three.code_bytes) == (3, 4, 8 * 64 * 4)
    assert three.bytes == one.bytes
    assert one.condense_seconds == PARTS.condensing
    # Four networks are scored, two of them for the baseline, in two rounds.
    assert (three.condense_seconds, three.evaluate_seconds) == (1 + 30 + 40, 35)
    assert one.alone_seconds == three.alone_seconds == PARTS.total
    assert (three.undivided_seconds, three.threads) == (1, torch.get_num_threads())
    assert three.least_seconds == 60 + 1 + 10 + 10 + 70 / 4
    synthetic = of(3, monkeypatch, networks={"type": "synthetic"})
    assert synthetic.undivided_seconds == 81


def test_shared_codes_are_whole_in_every_process() -> None:
    plan = small_pipeline(init={"type": "random"}).model_copy(update={"decoder": Tinted()})
    found = estimate(condense(plan, device="cpu"), trial=False, processes=5)
    assert found.code_bytes == (2 * 2 + 1) * 64 * 4
