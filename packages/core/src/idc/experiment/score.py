"""Scores of the condensed synset and the baselines, with the same evaluators and seeds."""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import get_args

from idc.condensation.loop import Condensation, condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import within
from idc.experiment.scoring import Found, Row, Scored, Scoring, networks_of, rows_of
from idc.kinds import Evaluation, Evaluator
from idc.runtime.execution import Execution
from idc.runtime.options import NumberFormat
from idc.runtime.processes import Processes
from idc.synset.synset import Synset


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
    everything: list[Evaluation] = []
    for scored in evaluate_all(
        [synset, *real_alone(plan)],
        data,
        plan,
        device=device,
        processes=processes,
        progress=lambda fraction, _: progress(fraction),
    ):
        everything += scored.evaluations
        yield from scored.evaluations
    yield from concluded(plan, everything)


def real_alone(pipeline: Pipeline) -> list[None]:
    """What `evaluate_all` needs at the end of its synsets if an evaluator scores the real data alone."""
    wanted = any(evaluator.alone([], pipeline.model) for evaluator in pipeline.evaluate)
    return [None] if wanted else []


def evaluate_all(
    synsets: Sequence[Synset | None],
    data: RealData,
    pipeline: Pipeline,
    *,
    found: Found = MappingProxyType({}),
    device: str = "auto",
    processes: Processes = Processes(),
    progress: Callable[[float, str], None] = lambda fraction, name: None,
) -> Iterator[Scored]:
    """Score several synsets with every evaluator of a pipeline, with the same initial weights and draws.

    Args:
        synsets: to score, one after the other; a last one that is None stands for the real data alone, with
            which some evaluators score.
        data: the real data to test on.
        pipeline: the source of evaluators, seed, precision and compile.
        found: what is known already, and not scored again.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        processes: that divide the networks of all synsets among them, each of which calls this; by default
            one alone.
        progress: called now and then in the first process with the fraction done, 0 to 1, and the name of
            what it is scoring.

    Returns:
        What was not known, as soon as it is; the same in all processes.
    """
    of_synsets = [synset for synset in synsets if synset is not None]
    known = [synset.known_by_class() for synset in of_synsets]
    for evaluator in pipeline.evaluate:
        evaluator.refuse_unfit(data.spec, pipeline.model)
        for synset, known_by_class in zip(of_synsets, known, strict=True):
            evaluator.refuse_knowledge(known_by_class, data.spec)
            if evaluator.reads_synsets and synset.header.labels == "soft":
                evaluator.refuse_soft_labels()
    scoring = Scoring(synsets, data, pipeline, found, device, processes, progress)
    rows = rows_of(pipeline, [synset.name for synset in of_synsets])
    yield from scoring.score(rows)
    if len(of_synsets) < len(synsets):
        # What is scored next may depend on the scores so far.
        number = 0
        for position, evaluator in enumerate(pipeline.evaluate):
            while wanted := evaluator.alone(scoring.known[position], pipeline.model):
                rows = [
                    Row(len(of_synsets), each, position, subject, model, networks_of(evaluator))
                    for each, (subject, model) in enumerate(wanted, number)
                ]
                number += len(rows)
                yield from scoring.score(rows)


def concluded(pipeline: Pipeline, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """What evaluators derive from all of their evaluations.

    Args:
        pipeline: whose evaluators scored.
        evaluations: of all synsets and of the real data alone, with the draws of a baseline pooled.
    """
    return [
        derived
        for evaluator in pipeline.evaluate
        for derived in evaluator.concluded(_of(evaluator, evaluations), pipeline.model)
    ]


def _of(evaluator: Evaluator, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Those of its type under its protocol in any precision: another table of this type has others."""
    protocols = set[str]()
    for precision in get_args(NumberFormat):
        with Execution(precision=precision).active():
            protocols.add(evaluator.protocol_as_run())
    return [each for each in evaluations if each.type == evaluator.type and each.protocol in protocols]


def networks_scored(pipeline: Pipeline, synsets: int) -> int:
    """Number of networks of which each is scored in one process.

    Args:
        pipeline: whose evaluators score.
        synsets: number of them.
    """
    alone = sum(
        networks_of(evaluator) * len(evaluator.alone([], pipeline.model)) for evaluator in pipeline.evaluate
    )
    return sum(row.runs for row in rows_of(pipeline, [""] * synsets)) + alone


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
