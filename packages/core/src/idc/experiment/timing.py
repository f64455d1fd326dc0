"""Seconds of the parts of a run, extrapolated from a few steps of each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from idc.condensation.loop import Condensation
from idc.condensation.pretraining import Declared
from idc.condensation.trial import prepare
from idc.config.pipeline import Pipeline
from idc.experiment.division import Parts
from idc.experiment.score import evaluate
from idc.seeding import Streams
from idc.shapes import Indices
from idc.synset.synset import Synset

T = TypeVar("T")

TRIAL = 1.0
"""Minimum seconds of training in a trial, because two epochs may be too short to measure."""


class _EnoughError(Exception):
    pass


def timed(
    condensation: Condensation, synset: Synset, untrained: Sequence[tuple[Declared, int]], scored: float
) -> Parts:
    """Seconds of each part of a run in this process.

    Args:
        condensation: not started; two of its steps are made, or three if they are compiled.
        synset: its codes.
        untrained: pools of which networks are missing, and the images that these are to be trained on.
        scored: training images of all synsets that are scored, as a multiple of those of this one.
    """
    with condensation.group.execution.active():
        parts = _condensing(condensation, pooled=bool(untrained)) if len(condensation) else Parts()
        pretraining = _pretraining(condensation, untrained)
    scoring = scored * _scoring(synset, condensation) if scored else 0.0
    return replace(parts, pretraining=pretraining, scoring=scoring)


def networks_started(plan: Pipeline) -> int:
    """Number of networks that a pipeline's outer iterations start; the others reuse one."""
    return sum(not (number and plan.networks.reuses_network(number)) for number in range(plan.iterations))


def _pretraining(condensation: Condensation, untrained: Sequence[tuple[Declared, int]]) -> float:
    """Seconds of training what is missing, by those of a few batches for each pool."""
    plan, device = condensation.pipeline, condensation.device
    total = 0.0
    for declared, images in untrained:
        # The first time it may compile.
        _clocked(device, declared.pool.try_training, plan.model, declared.real)
        seen, seconds = _clocked(device, declared.pool.try_training, plan.model, declared.real)
        total += images / seen * seconds
    return total


def _condensing(condensation: Condensation, *, pooled: bool) -> Parts:
    """Seconds of all inner steps, with an untrained network if those of a pool are missing.

    Of several groups of classes by those of the first.
    """
    plan, steps, group = condensation.pipeline, len(condensation), condensation.group
    device, train, streams, network = condensation.device, group.real, Streams(plan.seed), group.trial_network
    groups = len(condensation.groups)
    # The first time it may compile.
    tries = 2 if group.execution.compiled else 1
    started = groups * networks_started(plan)
    prepared, once = _clocked(device, prepare, plan, train, streams)
    group.continue_from(replace(group.state, prepared=prepared))
    starts, trainings, matches = list[float](), list[float](), list[float]()
    if not (pooled and plan.networks.pools()):
        for _ in range(tries):
            own = streams.child("estimate")
            network, seconds = _clocked(device, plan.networks.start, 0, None, plan.model, train, own)
            starts.append(seconds)
    refreshed, look = dict[int, Indices](), 0.0
    looks = groups * sum(map(plan.sampler.refreshes, range(len(group))))
    if looks:
        refresh = group.matching.draws.refresh
        refreshed, look = _clocked(device, refresh, network, 0, group.share.own)
    for step in range(min(steps, 1 + tries)):
        if step and steps > started:
            network, seconds = _clocked(device, plan.networks.train, network, train, group.synthetic)
            trainings.append(seconds)
        _, seconds = _clocked(device, group.inner_step, network, step, refreshed)
        matches.append(seconds)
    start, training, match = (seconds[-1] if seconds else 0.0 for seconds in (starts, trainings, matches))
    once += sum(max(0.0, seconds[0] - seconds[-1]) for seconds in (starts, trainings, matches) if seconds)
    return Parts(
        once=once,
        networks=started * start + (steps - started) * training,
        matching=steps * match + looks * look,
    )


def _scoring(synset: Synset, condensation: Condensation) -> float:
    """Seconds of all evaluators for the result, if all networks take as long as the first."""
    data, device = condensation.data, condensation.device
    seen: list[tuple[float, float]] = [(time.monotonic(), 0.0)]

    def progress(share: float) -> None:
        seen.append((time.monotonic(), share))
        if len(seen) > 3 and seen[-1][0] - seen[1][0] > TRIAL:
            raise _EnoughError

    try:
        for _ in evaluate(synset, data, device=str(device), progress=progress):
            pass
    except _EnoughError:
        # From the first progress call on: compilation before it happens once for all synsets.
        _, (first, begun), *_, (last, done) = seen
        return (last - first) / (done - begun)
    return time.monotonic() - seen[0][0]


def _clocked(device: torch.device, function: Callable[..., T], *arguments: Any) -> tuple[T, float]:
    """What a function returns, and the seconds until the device has finished it."""
    began = time.monotonic()
    returned = function(*arguments)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return returned, time.monotonic() - began
