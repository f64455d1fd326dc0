"""Soft labels of the finished codes."""

from idc.condensation.pretraining import pretrain
from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.runtime.execution import Execution
from idc.runtime.processes import Processes
from idc.shapes import Batch, Codes
from idc.synset.codes import SOFT_LABELS, decode


def with_soft_labels(plan: Pipeline, codes: Codes, real: Split, processes: Processes = Processes()) -> Codes:
    """The codes and, for each training image that they decode to, the logits of `Pipeline.labels`.

    Networks that these need and that are missing are trained first.

    Args:
        plan: the pipeline.
        codes: projected onto the value range.
        real: the training split.
        processes: among which missing networks are divided.
    """
    spec = real.spec
    pretrain(plan, real, lambda fraction: None, unfinished=False, seen=[], processes=processes)
    # As in `pretrain`: whether they are compiled must not depend on the length of the run.
    with Execution.on(real.device, plan.precision, plan.compile).active():
        batch = decode(plan.decoder.for_evaluation(), codes, plan.images_per_class, spec)
        clamped = Batch(batch.images.clamp(spec.low, spec.high), batch.labels)
        logits = plan.labels.logits(clamped, plan.model, real).detach()
    return {**codes, SOFT_LABELS: logits.unflatten(0, (len(spec.classes), -1))}
