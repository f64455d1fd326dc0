"""Approximate storage, computation and time of a run, estimated beforehand."""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from idc.condensation.loop import Condensation
from idc.condensation.pretraining import Pretraining
from idc.config.pipeline import Pipeline
from idc.errors import within
from idc.experiment.score import evaluate
from idc.kinds import Pretrained
from idc.runtime.execution import computes_bf16
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.synset.codes import decode_class, stored_bytes
from idc.synset.synset import Synset
from idc.table import Record


class Estimate(Record):
    """Storage, computation and time of a run."""

    stored_images: int
    """Stored images of all classes together."""
    images: int
    """Training images that they decode to."""
    budget: int
    """Stored numbers."""
    bytes: int
    """That they take."""
    steps: int
    """Inner steps."""
    pretrain_operations: float = 0.0
    """Floating-point operations of training the networks that the run starts from; 0 if they are there."""
    condense_operations: float
    """Floating-point operations of convolutions and linear layers while condensing."""
    evaluate_operations: float
    """Floating-point operations of evaluating the synset, its baselines and snapshots; 0 if unknown."""
    synsets: int
    """Number of synsets that are scored."""
    memory: int | None
    """Peak bytes of matching one class in eager mode; None if unknown."""
    device: str
    compiled: bool
    """Whether steps would be compiled."""
    precision: str
    """Of convolutions: ``fp32`` or ``bf16``, with ``auto`` decided."""
    bf16_in_hardware: bool
    """Whether the device computes bfloat16 in hardware, where it is faster than float32."""
    pretrain_seconds: float | None = None
    """On this machine, extrapolated from a few batches; None without a trial."""
    condense_seconds: float | None = None
    """On this machine, extrapolated from two steps, or three if they are compiled; None without a trial."""
    evaluate_seconds: float | None = None
    """On this machine, extrapolated from at least two epochs and `TRIAL` seconds of the first network."""


TRIAL = 1.0
"""Minimum seconds of training in a trial, because two epochs may be too short to measure."""


class _EnoughError(Exception):
    pass


def estimate(condensation: Condensation, *, trial: bool) -> Estimate:
    """Estimate the storage, computation and time of a run.

    Args:
        condensation: not started; a trial makes two or three of its steps.
        trial: whether to measure a few inner steps and epochs, to estimate the time.
    """
    plan, spec = condensation.pipeline, condensation.data.spec
    synset = condensation.synset(labelled=False)
    network, each = condensation.trial_network, condensation.trial_network.operations(spec.shape)
    count = synset.header.images
    trained = plan.iterations * plan.networks.trained_images(plan.inner_steps, condensation.data.train, count)
    soft = count * len(spec.classes) if plan.labels.soft else 0
    matched_per_class = condensation.matching.decoded
    untrained = _untrained(condensation)
    scored = _scored(plan, spec, count, matched_per_class) if plan.evaluate else []
    scoring = sum(
        evaluator.operations(images, matched, spec, plan.model)
        for evaluator in plan.evaluate
        for images, matched in scored
    )
    relative = sum(images for images, _ in scored) / count
    matched = len(condensation) * condensation.matching.operations(network)
    with condensation.execution.eager().active():
        memory = condensation.matching.memory(network, condensation.codes, condensation.trial_prepared)
    return Estimate(
        stored_images=plan.images_per_class * len(spec.classes),
        images=count,
        budget=synset.header.budget + soft,
        bytes=stored_bytes(synset.codes) + soft * torch.float32.itemsize,
        steps=len(condensation),
        # A training step is a forward pass, and twice as much for the backward pass.
        pretrain_operations=3 * sum(images for _, images in untrained) * each,
        condense_operations=matched + 3 * trained * each,
        evaluate_operations=scoring,
        synsets=len(scored),
        memory=memory,
        device=str(condensation.device),
        compiled=condensation.execution.compiled,
        precision=condensation.execution.precision,
        bf16_in_hardware=computes_bf16(condensation.device),
        pretrain_seconds=_pretraining(condensation, untrained) if trial else None,
        condense_seconds=(_matching if untrained else _condensing)(condensation) if trial else None,
        evaluate_seconds=relative * _scoring(synset, condensation) if trial else None,
    )


def _scored(plan: Pipeline, spec: ImageSpec, count: int, matched_per_class: int) -> list[tuple[int, int]]:
    """Number of training images of each scored synset (the result, its snapshots, the baselines), and of
    those per class while matching."""
    snapshots = len(range(0, plan.iterations, plan.snapshot_every)) if plan.snapshot_every else 0
    found = [(count, matched_per_class)] * (1 + snapshots)
    for baseline in plan.baseline:
        with within(f"baseline {baseline.name!r}"):
            baseline.decoder.capacity(plan.images_per_class, spec)
        grey = torch.zeros(1, baseline.decoder.unpacked(plan.images_per_class, spec), *spec.shape)
        codes = baseline.decoder.unfitted().encode(grey, plan.images_per_class, spec, Streams(plan.seed))
        evaluated, matched = (
            len(decode_class(decoder, codes, 0, plan.images_per_class, spec))
            for decoder in (baseline.decoder.for_evaluation(), baseline.decoder)
        )
        found += [(evaluated * len(spec.classes), matched)] * baseline.draws
    return found


def _untrained(condensation: Condensation) -> list[tuple[Pretrained, int]]:
    """Pools of which networks are missing, and the images that these are to be trained on."""
    plan, train = condensation.pipeline, condensation.data.train
    with condensation.execution.active():
        return Pretraining.of(plan, train, unfinished=len(condensation) > 0).untrained()


def _pretraining(condensation: Condensation, untrained: list[tuple[Pretrained, int]]) -> float:
    """Seconds of training what is missing, by those of a few batches for each pool."""
    plan, train, wait = condensation.pipeline, condensation.data.train, _waiting(condensation.device)
    total = 0.0
    for pool, images in untrained:
        seen = 0

        def tried(pool: Pretrained = pool) -> None:
            nonlocal seen
            with condensation.execution.active():
                seen = pool.try_training(plan.model, train)

        # The first time it may compile.
        _seconds(tried, wait)
        total += images / seen * _seconds(tried, wait)
    return total


def _matching(condensation: Condensation) -> float:
    """Seconds of a run whose networks are not pretrained yet, by those of an untrained one."""
    plan, train, network = condensation.pipeline, condensation.data.train, condensation.trial_network
    condensation.restore(replace(condensation.state, prepared=condensation.trial_prepared))
    wait = _waiting(condensation.device)

    def step() -> None:
        nonlocal network
        with condensation.execution.active():
            if plan.inner_steps > 1:
                network = plan.networks.train(network, train, condensation.synthetic)
            condensation.inner_step(network, 0, refreshed)

    refreshed = (
        condensation.matching.draws.refresh(network, 0, condensation.share.own)
        if plan.sampler.refreshes(0)
        else {}
    )
    first = _seconds(step, wait)
    return first + (len(condensation) - 1) * _seconds(step, wait) + _refreshing(condensation)


def _condensing(condensation: Condensation) -> float:
    plan = condensation.pipeline
    streams = Streams(plan.seed).child("estimate")
    wait = _waiting(condensation.device)
    start, first, second = 0.0, 0.0, 0.0
    if len(condensation):
        train = condensation.data.train
        start = _seconds(lambda: plan.networks.start(0, None, plan.model, train, streams), wait)
        first = _seconds(lambda: next(condensation), wait)
    # The second step is the first that trains the network, and compiles the training too.
    for _ in range(min(len(condensation) - 1, 2 if condensation.execution.compiled else 1)):
        second = _seconds(lambda: next(condensation), wait)
    # The first step includes starting a network, and so does the second if there is one per iteration. Other
    # starts are added, except in iterations that reuse the network.
    begun = sum(not plan.networks.reuses_network(iteration) for iteration in range(1, plan.iterations))
    again = begun * start if plan.inner_steps > 1 else 0.0
    return first + max(len(condensation) - 1, 0) * second + again + _refreshing(condensation)


def _refreshing(condensation: Condensation) -> float:
    """Seconds in which a sampler looks at the data, except for the first time, which is in the first step."""
    sampler = condensation.pipeline.sampler
    times = sum(sampler.refreshes(step) for step in range(1, len(condensation)))
    if not times:
        return 0.0
    network, wait = condensation.trial_network, _waiting(condensation.device)
    return times * _seconds(
        lambda: condensation.matching.draws.refresh(network, 0, condensation.share.own), wait
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


def _seconds(step: Callable[[], object], wait: Callable[[], None]) -> float:
    began = time.monotonic()
    step()
    wait()
    return time.monotonic() - began


def _waiting(device: torch.device) -> Callable[[], None]:
    """A function that waits for the device to finish."""
    return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
