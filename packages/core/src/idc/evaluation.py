"""Scoring synsets: the condensed one and the baselines, under the same evaluators and seeds."""

from collections.abc import Callable, Iterator

from idc import device as devices
from idc.data import RealData
from idc.engine import condense
from idc.errors import within
from idc.execution import Execution
from idc.pipeline import Pipeline
from idc.report import Evaluation
from idc.seeding import Streams
from idc.synset import Synset


def evaluate(
    synset: Synset,
    data: RealData,
    pipeline: Pipeline | None = None,
    *,
    device: str = "auto",
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[Evaluation]:
    """Score a synset with every evaluator of a pipeline.

    Args:
        synset: what is scored.
        data: the real data whose test split decides.
        pipeline: whose evaluators, seed, precision and compile are used; the synset's own by default. Synsets
            scored under the same pipeline get the same initial weights and draws.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        progress: called now and then with the share of the work done, 0 to 1.

    Returns:
        Evaluations named after the synset, each as soon as it is complete.
    """
    plan = pipeline or synset.pipeline
    for evaluator in plan.evaluate:
        evaluator.refuse_unfit(data.spec)
    data = data.to(devices.choose(device))
    for index, evaluator in enumerate(plan.evaluate):
        streams = Streams(plan.seed).child("evaluate", index)

        def overall(share: float, index: int = index) -> None:
            progress((index + share) / len(plan.evaluate))

        scores = evaluator.evaluate(synset, data, plan.model, streams, overall)
        for evaluation in Execution.of(plan).during(scores):
            yield evaluation.model_copy(update={"synset": synset.name, "budget": synset.header.budget})


def baselines(pipeline: Pipeline, data: RealData, *, device: str = "auto") -> Iterator[Synset]:
    """The synset of each draw of a pipeline's baselines: chosen and packed, not condensed.

    Raises:
        InputError: a baseline does not fit the data.
    """
    for baseline in pipeline.baselines():
        with within(f"baseline {baseline.method!r}"):
            synset = condense(baseline, data, device=device).synset()
        yield synset
