"""Scores of the condensed synset and the baselines, with the same evaluators and seeds."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice, zip_longest
from typing import Any, NamedTuple

import torch

from idc.condensation.loop import Condensation, condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.errors import within
from idc.kinds import Evaluation, Evaluator, EvaluatorInputs, Model, Point, Scores
from idc.runtime import device as devices
from idc.runtime.execution import Execution
from idc.runtime.processes import Processes
from idc.seeding import Streams
from idc.shapes import Codes
from idc.synset.synset import Synset


class Scored(NamedTuple):
    """The evaluations of a synset, or of the real data alone, with one architecture of one evaluator."""

    synset: int
    """Its position among the synsets that are scored."""
    evaluations: list[Evaluation]
    """One for each metric, with the synset's name."""
    complete: bool
    """Whether these are the last of the synset."""


class _Networks(NamedTuple):
    """The networks of a `Scored`."""

    synset: int
    evaluator: int
    model: Model
    runs: int


def evaluate(
    synset: Synset,
    data: RealData,
    pipeline: Pipeline | None = None,
    *,
    device: str = "auto",
    processes: Processes = Processes(),
    progress: Callable[[float], None] = lambda fraction: None,
) -> Iterator[Evaluation]:
    """Score a synset with every evaluator of a pipeline.

    Args:
        synset: to score.
        data: the real data to test on.
        pipeline: the source of evaluators, seed, precision and compile; the synset's own by default. With the
            same pipeline, synsets are scored with the same initial weights and draws.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        processes: that divide the networks among them, each of which calls this; by default one alone.
        progress: called now and then in the first process with the fraction done, 0 to 1.

    Returns:
        Evaluations with the synset's name, each as soon as it is complete; in all processes. Those of
        evaluators that read no synset follow, named after their `Evaluator.subject`.
    """
    plan = pipeline or synset.pipeline
    for scored in evaluate_all(
        [synset, *real_alone(plan)],
        data,
        plan,
        device=device,
        processes=processes,
        progress=lambda fraction, _: progress(fraction),
    ):
        yield from scored.evaluations


def real_alone(pipeline: Pipeline) -> list[None]:
    """What `evaluate_all` needs at the end of its synsets if an evaluator scores the real data alone."""
    return [None] if any(not evaluator.reads_synsets for evaluator in pipeline.evaluate) else []


def evaluate_all(
    synsets: Sequence[Synset | None],
    data: RealData,
    pipeline: Pipeline,
    *,
    device: str = "auto",
    processes: Processes = Processes(),
    progress: Callable[[float, str], None] = lambda fraction, name: None,
) -> Iterator[Scored]:
    """Score several synsets with every evaluator of a pipeline, with the same initial weights and draws.

    Args:
        synsets: to score, one after the other; None stands for the real data, which evaluators score that
            read no synset.
        data: the real data to test on.
        pipeline: the source of evaluators, seed, precision and compile.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        processes: that divide the networks of all synsets among them, each of which calls this; by default
            one alone.
        progress: called now and then in the first process with the fraction done, 0 to 1, and the name of
            what it is scoring.

    Returns:
        What is complete, as soon as it is; the same in all processes.
    """
    for evaluator in pipeline.evaluate:
        evaluator.refuse_unfit(data.spec, pipeline.model)
        for synset in filter(None, synsets):
            evaluator.refuse_knowledge(synset.known_by_class(), data.spec)
            if evaluator.reads_synsets and synset.header.labels == "soft":
                evaluator.refuse_soft_labels()
    chosen = devices.choose(device, processes.rank_on_machine)
    execution = Execution.on(chosen, pipeline.precision, pipeline.compile)
    real = on_device(data, pipeline, chosen)
    rows = _rows(pipeline, [synset is not None for synset in synsets])
    networks = [(row, run) for row in rows for run in range(row.runs)]

    # The last one alone, because decoded images may fill the device.
    @lru_cache(maxsize=1)
    def of_synset(position: int) -> tuple[Split | None, int, Codes | None]:
        synset = synsets[position]
        if synset is None:
            return None, 0, None
        return synset.split().to(chosen), synset.matched_per_class, synset.codes

    def score(number: int) -> Scores:
        row, run = networks[number]
        evaluator = pipeline.evaluate[row.evaluator]
        name = _name(synsets[row.synset], evaluator)

        def share(fraction: float) -> None:
            processes.beat()
            if processes.first:
                # The others are about as far with theirs.
                at_once = min(processes.count, len(networks) - number)
                progress((number + fraction * at_once) / len(networks), name)

        inputs = EvaluatorInputs(evaluator.needs, real, *of_synset(row.synset))
        streams = Streams(pipeline.seed).child("evaluate", row.evaluator, run)
        with execution.active():
            scores = evaluator.score(inputs, row.model, streams, share)
        share(1.0)
        return scores

    scores = processes.mapped(score, range(len(networks)))
    for row, following in zip_longest(rows, rows[1:]):
        runs = list(islice(scores, row.runs))
        with execution.active():
            evaluations = _evaluations(pipeline.evaluate[row.evaluator], row.model, runs)
        named: dict[str, Any] = {"synset": _name(synsets[row.synset], pipeline.evaluate[row.evaluator])}
        if (synset := synsets[row.synset]) is not None:
            named |= {"budget": synset.header.budget, "labels": synset.header.labels}
        yield Scored(
            row.synset,
            [evaluation.model_copy(update=named) for evaluation in evaluations],
            following is None or following.synset != row.synset,
        )


def networks_scored(pipeline: Pipeline, synsets: int) -> int:
    """Number of networks of which each is scored in one process.

    Args:
        pipeline: whose evaluators score.
        synsets: number of them.
    """
    return sum(row.runs for row in _rows(pipeline, [True] * synsets + [False]))


def _rows(pipeline: Pipeline, synsets: Sequence[bool]) -> list[_Networks]:
    """For each position whether it is a synset, or the real data alone."""
    return [
        _Networks(position, number, model, evaluator.runs if evaluator.trains_networks else 1)
        for position, is_synset in enumerate(synsets)
        for number, evaluator in enumerate(pipeline.evaluate)
        if evaluator.reads_synsets == is_synset
        for model in (evaluator.trains_networks and evaluator.models) or (pipeline.model,)
    ]


def _name(synset: Synset | None, evaluator: Evaluator) -> str:
    return evaluator.subject if synset is None else synset.name


def _evaluations(evaluator: Evaluator, model: Model, runs: Sequence[Scores]) -> list[Evaluation]:
    """One for each metric, of a synset that is not named yet."""
    return [
        Evaluation(
            type=evaluator.type,
            protocol=evaluator.protocol_as_run(),
            model=model.label() if evaluator.trains_networks else "none",
            metric=point.metric,
            along=point.along,
            at=point.at,
            values=tuple(run[metric] for run in runs),
        )
        for metric, point in ((each, Point(each) if isinstance(each, str) else each) for each in runs[0])
    ]


def on_device(data: RealData, plan: Pipeline, device: torch.device) -> RealData:
    """The data, with the splits that a pipeline's evaluators need on a device.

    `evaluate` does this each time; do it once before scoring several synsets one by one.
    """
    needs = frozenset[str]().union(*(evaluator.needs for evaluator in plan.evaluate))
    return RealData(
        data.train.to(device) if "train" in needs else data.train,
        data.test.to(device) if "test" in needs else data.test,
    )


def baselines(
    pipeline: Pipeline, data: RealData, *, device: str = "auto", processes: Processes = Processes()
) -> Iterator[Synset]:
    """The uncondensed synset of each draw of a pipeline's baselines, with labels as the pipeline gives them.

    Raises:
        InputError: a baseline does not fit the data.
    """
    for drawn in drawn_baselines(pipeline, data, device=device, processes=processes):
        yield drawn.synset()


def drawn_baselines(
    pipeline: Pipeline, data: RealData, *, device: str = "auto", processes: Processes = Processes()
) -> Iterator[Condensation]:
    """Each draw of a pipeline's baselines, whose synset has still to be labelled.

    Raises:
        InputError: a baseline does not fit the data.
    """
    for baseline in pipeline.baselines():
        with within(f"baseline {baseline.method!r}"):
            drawn = condense(baseline, data, device=device, processes=processes)
        yield drawn
