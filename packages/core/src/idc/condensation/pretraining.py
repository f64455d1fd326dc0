"""What is trained before the first inner step."""

from collections.abc import Callable

from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.runtime.execution import Execution


def pretrain(
    plan: Pipeline, real: Split, progress: Callable[[float], None], *, unfinished: bool
) -> str | None:
    """Train the networks that the pipeline's condensation starts from, if any are missing.

    Args:
        plan: the pipeline.
        real: the training split.
        progress: called with the fraction done, 0 to 1.
        unfinished: whether inner steps remain; else only the labels need networks.

    Returns:
        A sentence: what was trained; None if nothing was missing.
    """
    # As ``idc pretrain``: whether the training is compiled must not depend on the length of the run.
    with Execution.on(real.device, plan.precision, plan.compile).active():
        said: list[str] = []
        for stage in (plan.networks, plan.labels) if unfinished else (plan.labels,):
            if stage.untrained_images(plan.model, real):
                said.append(stage.pretrain(plan.model, real, progress))
        return "; ".join(said) or None
