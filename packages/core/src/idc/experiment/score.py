"""Scores of the condensed synset and the baselines, with the same evaluators and seeds."""

from collections.abc import Callable, Iterator

import torch

from idc.condensation.loop import Condensation, condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import within
from idc.kinds import Evaluation, EvaluatorInputs
from idc.runtime import device as devices
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.synset.synset import Synset


def evaluate(
    synset: Synset,
    data: RealData,
    pipeline: Pipeline | None = None,
    *,
    device: str = "auto",
    progress: Callable[[float], None] = lambda fraction: None,
) -> Iterator[Evaluation]:
    """Score a synset with every evaluator of a pipeline.

    Args:
        synset: to score.
        data: the real data to test on.
        pipeline: the source of evaluators, seed, precision and compile; the synset's own by default. With the
            same pipeline, synsets are scored with the same initial weights and draws.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        progress: called now and then with the fraction done, 0 to 1.

    Returns:
        Evaluations with the synset's name, each as soon as it is complete.
    """
    plan = pipeline or synset.pipeline
    for evaluator in plan.evaluate:
        evaluator.refuse_unfit(data.spec)
        if synset.header.labels == "soft":
            evaluator.refuse_soft_labels()
    chosen = devices.choose(device)
    execution = Execution.on(chosen, plan.precision, plan.compile)
    synthetic, real = synset.split().to(chosen), on_device(data, plan, chosen)
    matched = synset.matched_per_class
    for index, evaluator in enumerate(plan.evaluate):
        streams = Streams(plan.seed).child("evaluate", index)

        def overall(fraction: float, index: int = index) -> None:
            progress((index + fraction) / len(plan.evaluate))

        inputs = EvaluatorInputs(synthetic, matched, real, synset.codes, evaluator.needs)
        scores = evaluator.evaluate(inputs, plan.model, streams, overall)
        for evaluation in execution.during(scores):
            yield evaluation.model_copy(
                update={
                    "synset": synset.name,
                    "budget": synset.header.budget,
                    "labels": synset.header.labels,
                }
            )


def on_device(data: RealData, plan: Pipeline, device: torch.device) -> RealData:
    """The data, with the splits that a pipeline's evaluators need on a device.

    `evaluate` does this for each synset; do it once before scoring several.
    """
    needs = frozenset[str]().union(*(evaluator.needs for evaluator in plan.evaluate))
    return RealData(
        data.train.to(device) if "train" in needs else data.train,
        data.test.to(device) if "test" in needs else data.test,
    )


def baselines(pipeline: Pipeline, data: RealData, *, device: str = "auto") -> Iterator[Synset]:
    """The uncondensed synset of each draw of a pipeline's baselines, with labels as the pipeline gives them.

    Raises:
        InputError: a baseline does not fit the data.
    """
    for drawn in drawn_baselines(pipeline, data, device=device):
        yield drawn.synset()


def drawn_baselines(pipeline: Pipeline, data: RealData, *, device: str = "auto") -> Iterator[Condensation]:
    """Each draw of a pipeline's baselines, whose synset has still to be labelled.

    Raises:
        InputError: a baseline does not fit the data.
    """
    for baseline in pipeline.baselines():
        with within(f"baseline {baseline.method!r}"):
            drawn = condense(baseline, data, device=device)
        yield drawn
