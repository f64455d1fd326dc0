"""The networks that score synsets: which they are, and one after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import torch

from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.kinds import Evaluation, Evaluator, EvaluatorInputs, Model, Point
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
    row: int
    """Number of these evaluations among those of the synset."""
    evaluations: list[Evaluation]
    """One for each metric, with the synset's name."""


Found = Mapping[int, Mapping[int, list[Evaluation]]]
"""Evaluations that are known: by the position of the synset, and by the number of the row."""


class Row(NamedTuple):
    """The networks of a `Scored`."""

    synset: int
    number: int
    evaluator: int
    subject: str
    """Name of the synset, or of what is scored with the real data alone."""
    model: Model
    runs: int


_Values = list[tuple[Point, float]]
"""The scores of a network."""


class Scoring:
    """The networks that score, and the scores so far."""

    def __init__(
        self,
        synsets: Sequence[Synset | None],
        data: RealData,
        pipeline: Pipeline,
        found: Found,
        device: str,
        processes: Processes,
        progress: Callable[[float, str], None],
    ) -> None:
        self._synsets, self._pipeline, self._found = synsets, pipeline, found
        self._device = devices.choose(device, processes.rank_on_machine)
        self._execution = Execution.on(self._device, pipeline.precision, pipeline.compile)
        self._real = on_device(data, pipeline, self._device)
        self._processes, self._progress = processes, progress
        self._done = 0
        self.known: list[list[Evaluation]] = [[] for _ in pipeline.evaluate]
        """Of each evaluator."""
        # The last one alone, because decoded images may fill the device.
        self._inputs = lru_cache(maxsize=1)(self._of_synset)

    def score(self, rows: Sequence[Row]) -> Iterator[Scored]:
        """Score the networks of some rows, but for those that are known."""
        networks = [(row, run) for row in rows if not self._is_known(row) for run in range(row.runs)]
        first = self._done

        def score(number: int) -> _Values:
            row, run = networks[number]

            def share(fraction: float) -> None:
                self._processes.beat()
                if self._processes.first:
                    # The others are about as far with theirs.
                    at_once = min(self._processes.count, len(networks) - number)
                    done = first + number + fraction * at_once
                    self._progress(done / (first + len(networks)), row.subject)

            evaluator = self._pipeline.evaluate[row.evaluator]
            inputs = EvaluatorInputs(
                evaluator.needs, self._real, row.subject, *self._inputs(row.synset), label=self._labelled
            )
            streams = Streams(self._pipeline.seed).child("evaluate", row.evaluator, run)
            with self._execution.active():
                scores = evaluator.score(inputs, row.model, streams, share)
            share(1.0)
            # As JSON, which other processes get.
            return [(Point(each) if isinstance(each, str) else each, float(scores[each])) for each in scores]

        scores = self._processes.mapped(score, range(len(networks)))
        for row in rows:
            if self._is_known(row):
                self.known[row.evaluator] += self._found[row.synset][row.number]
            else:
                evaluations = self._evaluations(row, list(islice(scores, row.runs)))
                self.known[row.evaluator] += evaluations
                yield Scored(row.synset, row.number, evaluations)
        self._done += len(networks)

    def _is_known(self, row: Row) -> bool:
        return row.number in self._found.get(row.synset, {})

    def _of_synset(self, position: int) -> tuple[Split | None, int, Codes | None]:
        synset = self._synsets[position]
        if synset is None:
            return None, 0, None
        return synset.split().to(self._device), synset.matched_per_class, synset.codes

    def _labelled(self, real: Split) -> Split:
        """Real images with the labels that finished ones get."""
        plan = self._pipeline
        if not plan.labels.soft:
            return real
        logits = plan.labels.logits(real.batch(), plan.model, self._real.train).detach()
        return replace(real, labels=logits.softmax(1), known_fingerprint=None)

    def _evaluations(self, row: Row, runs: Sequence[_Values]) -> list[Evaluation]:
        """One for each metric."""
        evaluator, synset = self._pipeline.evaluate[row.evaluator], self._synsets[row.synset]
        of_synset: dict[str, Any] = {}
        if synset is not None:
            of_synset = {"budget": synset.header.budget, "labels": synset.header.labels}
        with self._execution.active():
            protocol = evaluator.protocol_as_run()
        # Other processes' are lists.
        points = [Point(*point) for point, _ in runs[0]]
        values = zip(*([value for _, value in run] for run in runs), strict=True)
        return [
            Evaluation(
                type=evaluator.type,
                protocol=protocol,
                model=row.model.label() if evaluator.trains_networks else "none",
                metric=point.metric,
                along=point.along,
                at=point.at,
                detail=point.detail,
                values=of_point,
                synset=row.subject,
                **of_synset,
            )
            for point, of_point in zip(points, values, strict=True)
        ]


def rows_of(pipeline: Pipeline, names: Sequence[str]) -> list[Row]:
    """Those of synsets with these names."""
    found: list[Row] = []
    for position, name in enumerate(names):
        of_synset = (
            (number, evaluator, model)
            for number, evaluator in enumerate(pipeline.evaluate)
            if evaluator.reads_synsets
            for model in evaluator.candidates(pipeline.model)
        )
        found += [
            Row(position, row, number, name, model, networks_of(evaluator))
            for row, (number, evaluator, model) in enumerate(of_synset)
        ]
    return found


def networks_of(evaluator: Evaluator) -> int:
    """Number of networks of each architecture."""
    return evaluator.runs if evaluator.trains_networks else 1


def on_device(data: RealData, plan: Pipeline, device: torch.device) -> RealData:
    """The data, with the splits that a pipeline's evaluators need on a device.

    `evaluate` does this each time; do it once before scoring several synsets one by one.
    """
    needs = frozenset[str]().union(*(evaluator.needs for evaluator in plan.evaluate))
    return RealData(
        data.train.to(device) if "train" in needs else data.train,
        data.test.to(device) if "test" in needs else data.test,
    )
