"""Soft labels of the finished codes."""

from collections.abc import Iterator

import torch

from idc.condensation.pretraining import pretrain
from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.runtime.execution import Execution
from idc.runtime.processes import Processes
from idc.shapes import Batch, Codes
from idc.spec import ImageSpec
from idc.synset.codes import SOFT_LABELS, decode_class

AT_ONCE = 500
"""About how many images are labelled at once."""


def with_soft_labels(plan: Pipeline, codes: Codes, real: Split, processes: Processes = Processes()) -> Codes:
    """The codes and, for each training image that they decode to, the logits of `Pipeline.labels`.

    Networks that these need and that are missing are trained first.

    Args:
        plan: the pipeline.
        codes: projected onto the value range.
        real: the training split.
        processes: among which missing networks are divided.
    """
    pretrain(plan, real, lambda fraction: None, unfinished=False, seen=[], processes=processes)
    # As in `pretrain`: whether they are compiled must not depend on the length of the run.
    with Execution.on(real.device, plan.precision, plan.compile).active():
        parts = [
            plan.labels.logits(batch, plan.model, real).detach() for batch in _decoded(plan, codes, real.spec)
        ]
    return {**codes, SOFT_LABELS: torch.cat(parts).unflatten(0, (len(real.spec.classes), -1))}


def _decoded(plan: Pipeline, codes: Codes, spec: ImageSpec) -> Iterator[Batch]:
    """The training images of some classes at a time, because all need not fit into memory."""
    decoder, held = plan.decoder.for_evaluation(), list[Batch]()
    for label in range(len(spec.classes)):
        held.append(decode_class(decoder, codes, label, plan.images_per_class, spec))
        if sum(map(len, held)) >= AT_ONCE or label == len(spec.classes) - 1:
            images = torch.cat([batch.images for batch in held]).clamp(spec.low, spec.high)
            yield Batch(images, torch.cat([batch.labels for batch in held]))
            held.clear()
