"""Approximate storage, computation and time of a run, estimated beforehand."""

import torch

from idc.condensation.loop import Condensation
from idc.condensation.pretraining import Pretraining
from idc.config.pipeline import Pipeline
from idc.errors import within
from idc.experiment.division import Division
from idc.experiment.score import networks_scored
from idc.experiment.timing import networks_started, timed
from idc.runtime.execution import computes_bf16
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.synset.codes import decode_class, stored_bytes
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
    processes: int = 1
    """Number of processes that the run is divided over."""
    most_classes: int
    """Classes that a process matches, at most."""
    code_bytes: int
    """That the codes of these take while condensing; each buffer of the optimizer takes as many."""
    threads: int | None = None
    """Of each process on the CPU; None without a trial."""
    pretrain_seconds: float | None = None
    """With such processes, extrapolated from a few batches in one of them; None without a trial."""
    condense_seconds: float | None = None
    """Extrapolated from two steps, or three if they are compiled; None without a trial."""
    evaluate_seconds: float | None = None
    """Extrapolated from at least two epochs and a second of the first network; None without a trial."""
    alone_seconds: float | None = None
    """Of all three in one such process; None without a trial."""
    undivided_seconds: float | None = None
    """Of `alone_seconds`, what every process spends; None without a trial."""
    least_seconds: float | None = None
    """Of all three with as many processes as there is work for; None without a trial."""


def estimate(condensation: Condensation, *, trial: bool, processes: int = 1) -> Estimate:
    """Estimate the storage, computation and time of a run.

    Args:
        condensation: not started and in one process; a trial makes two or three of its steps.
        trial: whether to measure a few inner steps and epochs, to estimate the time.
        processes: that the run is to be divided over. None is started: what is measured here is divided as
            `idc.experiment.division` says. Set the threads that each is to have before.
    """
    plan, spec = condensation.pipeline, condensation.data.spec
    synset = condensation.synset(labelled=False)
    network, each = condensation.group.trial_network, condensation.group.trial_network.operations(spec.shape)
    count = synset.header.images
    trained = condensation.iterations * plan.networks.trained_images(
        plan.inner_steps, condensation.data.train, count
    )
    soft = count * len(spec.classes) if plan.labels.soft else 0
    with condensation.group.execution.active():
        seen = [group.real for group in condensation.groups]
        pretraining = Pretraining.of(
            plan, condensation.data.train, unfinished=len(condensation) > 0, seen=seen
        )
        missing, untrained = len(pretraining.missing()), pretraining.untrained()
    scored = _scored(plan, spec, count, condensation.group.matching.decoded) if plan.evaluate else []
    scoring = sum(
        evaluator.operations(images, matched, spec, plan.model)
        for evaluator in plan.evaluate
        for images, matched in scored
    )
    matched = len(condensation) * condensation.group.matching.operations(network)
    with condensation.group.execution.eager().active():
        memory = condensation.group.matching.memory(
            network, condensation.group.codes, condensation.group.trial_prepared
        )
    division = Division(
        images=[sum(size) for size in condensation.group.matching.sizes.values()],
        pretrained=missing,
        started=len(condensation.groups) * networks_started(plan),
        independent=plan.networks.independent,
        scored=networks_scored(plan, len(scored)),
    )
    most_classes = division.most_classes(processes)
    found = Estimate(
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
        compiled=condensation.group.execution.compiled,
        precision=condensation.group.execution.precision,
        bf16_in_hardware=computes_bf16(condensation.device),
        processes=processes,
        most_classes=most_classes,
        code_bytes=sum(
            code.nbytes if name in plan.decoder.shared else code[:1].nbytes * most_classes
            for name, code in condensation.group.codes.items()
        ),
    )
    if not trial:
        return found
    alone = timed(condensation, synset, untrained, sum(images for images, _ in scored) / count)
    remaining = division.remaining(alone, processes)
    measured = {
        "threads": torch.get_num_threads(),
        "pretrain_seconds": remaining.pretraining,
        "condense_seconds": remaining.condensing,
        "evaluate_seconds": remaining.scoring,
        "alone_seconds": alone.total,
        "undivided_seconds": division.undivided(alone),
        "least_seconds": division.remaining(alone, None).total,
    }
    return found.model_copy(update=measured)


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
