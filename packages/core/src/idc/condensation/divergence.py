"""Divergence: which class's distance or codes are not finite, and the likely cause."""

from jaxtyping import Bool
from torch import Tensor

from idc.condensation.inner_step import Distances
from idc.condensation.share import Share
from idc.config.pipeline import Pipeline
from idc.errors import RunError
from idc.network.network import Network
from idc.shapes import Codes


class DivergenceError(RunError):
    """Numbers are not finite; all processes of a run raise it after the same step."""


def not_finite(distances: Distances, codes: Codes, share: Share) -> Bool[Tensor, " classes"]:
    """The classes whose distance or codes are not finite, on their device.

    Args:
        distances: of each class.
        codes: of this process's classes, after the update; not finite if their gradient was not.
        share: of the classes among processes.
    """
    fine = share.rows_of(distances).isfinite()
    for name, code in codes.items():
        finite = code.isfinite()
        fine = fine & (finite.all() if name in share.decoder.shared else finite[..., None].flatten(1).all(1))
    return share.gathered(~fine)


def diverged(plan: Pipeline, name: str, network: Network | None, steps: int) -> str:
    """An error message: the class, the step, and what to change.

    Args:
        plan: the pipeline.
        name: of the first class found by `not_finite`.
        network: the network that was matched.
        steps: inner steps done, including the one that was not finite.
    """
    iteration, inner_step = divmod(steps - 1, plan.inner_steps)
    trained = network is None or all(bool(weight.isfinite().all()) for weight in network.weights.values())
    cause = f"optimizer.learning_rate = {plan.optimizer.learning_rate}: lower it"
    if not trained:
        cause = "the learning rate in [networks.training], as the network is not finite either: lower it"
    return (
        f"the distance of class {name!r} or its gradient was not finite in iteration {iteration + 1} of "
        f"{plan.iterations}, inner step {inner_step + 1}; the likely cause is {cause}"
    )
