"""The checks of samplers that look, prepared objectives, soft labels, optimizers and evaluators' needs notice
when a promise is broken."""

import math
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Literal

import pytest
import torch

from idc import testing
from idc.kinds import (
    Batch,
    ClassNumbers,
    Codes,
    Evaluator,
    EvaluatorInputs,
    ImageSpec,
    Indices,
    Model,
    Need,
    Network,
    NetworkView,
    Objective,
    Optimizer,
    OptimizerState,
    PixelDecoder,
    Rows,
    Sampler,
    Scalar,
    Scores,
    Split,
    Streams,
    Tensors,
)
from idc.stages.decoders.raw import Raw
from idc.testing import toy_synset


def test_decoders_with_soft_labels_keep_their_promises() -> None:
    testing.check_decoder(Raw(labels="soft"))


class Late(Sampler):
    type: Literal["late"] = "late"
    first: int = 2

    def real(
        self, members: Indices, step: int, streams: Streams, refreshed: Indices | None = None
    ) -> Indices:
        return members[:3] if refreshed is None else refreshed

    def synthetic(self, count: int, step: int, streams: Streams) -> Indices | None:
        return None

    def refreshes(self, step: int) -> bool:
        return step >= self.first

    def refresh(
        self, members: Indices, real: Split, network: Network, step: int, streams: Streams
    ) -> Indices:
        return members[:3]


class Restless(Late):
    type: Literal["restless"] = "restless"  # pyright: ignore[reportIncompatibleVariableOverride]
    first: int = 0

    def refresh(
        self, members: Indices, real: Split, network: Network, step: int, streams: Streams
    ) -> Indices:
        return members[torch.randperm(len(members))[:3]]


def test_a_sampler_that_first_looks_later_is_noticed() -> None:
    testing.check_sampler(Late(first=0))
    with pytest.raises(AssertionError, match="at step 0"):
        testing.check_sampler(Late())


def test_a_sampler_that_draws_from_elsewhere_is_noticed() -> None:
    with pytest.raises(AssertionError):
        testing.check_sampler(Restless())


class Prepared(Objective):
    type: Literal["prepared"] = "prepared"
    drawn: Literal["streams", "globally", "never"] = "streams"

    def prepare(self, real: Split, model: Model, streams: Streams) -> Tensors:
        match self.drawn:
            case "streams":
                return {"weight": torch.rand(8, generator=streams.generator()).double()}
            case "globally":
                return {"weight": torch.rand(8).double()}
            case "never":
                return {"weight": torch.ones(8, dtype=torch.float64)}

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        difference = real.images.mean((0, 1, 2)) - syn.images.mean((0, 1, 2))
        return (net.prepared["weight"] * difference**2).sum()


def test_what_an_objective_prepares_follows_its_streams() -> None:
    testing.check_objective(Prepared())
    with pytest.raises(AssertionError):
        testing.check_objective(Prepared(drawn="globally"))
    with pytest.raises(AssertionError, match="constant"):
        testing.check_objective(Prepared(drawn="never"))


class Mindful(Objective):
    type: Literal["mindful"] = "mindful"
    fault: Literal["none", "in place", "random", "growing"] = "none"

    def remember(self, net: NetworkView, real: Batch, syn: Batch) -> Tensors:
        mean = syn.images.mean((0, 1, 2))
        if not net.remembered:
            return {"mean": mean}
        old = net.remembered["mean"]
        match self.fault:
            case "none":
                return {"mean": (old + mean) / 2}
            case "in place":
                return {"mean": old.add_(mean)}
            case "random":
                return {"mean": old + torch.rand(())}
            case "growing":
                return {"mean": torch.cat([old, mean])}

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        wanted = net.remembered.get("mean", real.images.mean((0, 1, 2)))
        return ((syn.images.mean((0, 1, 2)) - wanted) ** 2).sum()


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("in place", "in place"),
        ("random", "global generator"),
        ("growing", "other names, shapes or dtypes"),
    ],
)
def test_objectives_that_remember_wrongly_are_noticed(
    fault: Literal["in place", "random", "growing"], complaint: str
) -> None:
    testing.check_objective(Mindful())
    with pytest.raises(AssertionError, match=complaint):
        testing.check_objective(Mindful(fault=fault))


class Odds(PixelDecoder):
    type: Literal["odds"] = "odds"
    total: float = 1.0

    def soft_labels(self) -> bool:
        return True

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        other = self.total * torch.nn.functional.one_hot(labels, 2).to(codes["images"])
        return Batch(codes["images"], other)


def test_soft_labels_are_probabilities() -> None:
    testing.check_decoder(Odds())
    with pytest.raises(AssertionError, match="sum to 1"):
        testing.check_decoder(Odds(total=2.0))


class Descent(Optimizer):
    type: Literal["descent"] = "descent"
    fault: Literal["none", "ascent", "in place", "shape", "mixed rows"] = "none"

    def initial_state(self, codes: Codes) -> OptimizerState:
        return {"none": {name: torch.zeros(()) for name in codes}} if self.fault == "shape" else {}

    def update(
        self,
        codes: Codes,
        state: OptimizerState,
        gradients: Codes,
        number: int,
        shared: Collection[str] = (),
        rows: Rows | None = None,
    ) -> tuple[Codes, OptimizerState]:
        rate = -self.learning_rate if self.fault == "ascent" else self.learning_rate
        if self.fault == "mixed rows":
            return {name: code - rate * gradients[name].mean() for name, code in codes.items()}, state
        if self.fault == "in place":
            return {name: code.sub_(rate * gradients[name]) for name, code in codes.items()}, state
        return {name: code - rate * gradients[name] for name, code in codes.items()}, state


def test_broken_optimizers_are_noticed() -> None:
    testing.check_optimizer(Descent(learning_rate=0.1))
    for fault, what in (
        ("ascent", "against"),
        ("in place", "codes"),
        ("shape", "shape"),
        ("mixed rows", "rows"),
    ):
        with pytest.raises(AssertionError, match=what):
            testing.check_optimizer(Descent.model_validate({"learning_rate": 0.1, "fault": fault}))


class Size(Evaluator):
    type: Literal["size"] = "size"
    trains_networks: ClassVar[bool] = False
    uses: Literal["codes", "train", "test"] = "codes"
    fault: Literal["none", "metric", "infinite", "progress"] = "none"

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset({"codes"})

    def refuse_unfit(self, spec: ImageSpec, model: Model) -> None:
        pass

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> Scores:
        used = getattr(inputs, self.uses)
        progress(2.0 if self.fault == "progress" else 0.5)
        metric = f"things {streams.address}" if self.fault == "metric" else "things"
        return {metric: math.inf if self.fault == "infinite" else float(len(used))}


def test_an_evaluator_is_given_what_it_declares_and_nothing_else() -> None:
    synset, data = toy_synset()
    testing.check_evaluator(Size(), synset, data)
    for undeclared in ("train", "test"):
        with pytest.raises(TypeError, match=undeclared):
            testing.check_evaluator(Size.model_validate({"uses": undeclared}), synset, data)


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [("metric", "other metrics"), ("infinite", "not finite"), ("progress", "between 0 and 1")],
)
def test_evaluators_that_score_wrongly_are_noticed(fault: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        testing.check_evaluator(Size.model_validate({"fault": fault}), *toy_synset())


def test_what_an_evaluator_changes_is_named_beside_its_type() -> None:
    assert Size(runs=2).protocol_as_run() == "size"
    assert Size(runs=2, uses="test").protocol_as_run() == "size (uses=test)"


def test_models_and_runs_are_fields_of_every_evaluator() -> None:
    fields: dict[str, Any] = dict(Size.model_fields)
    assert {"models", "runs"} <= fields.keys()
