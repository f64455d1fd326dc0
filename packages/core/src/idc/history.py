"""What a condensation was like, iteration by iteration: for logs, plots and trackers."""

from collections.abc import Iterator

import torch

from idc.engine import Condensation
from idc.report import Iteration
from idc.shapes import Scalar
from idc.state import Step

MOST_NORMS = 100
"""Outer iterations of a run whose gradient norms are taken at most; each takes about as long as a sweep."""


def recorded(condensation: Condensation) -> Iterator[tuple[Step, Iteration | None]]:
    """The condensation's steps, and with the last of an outer iteration what the iteration was like.

    Args:
        condensation: is iterated; leave the loop whenever you like and begin another one to go on.
    """
    plan = condensation.pipeline
    every = max(1, -(-plan.iterations // MOST_NORMS))
    losses: list[Scalar] = []
    norms: list[tuple[Scalar, Scalar]] = []
    for step in condensation:
        losses.append(step.loss)
        last = step.inner_step == plan.inner_steps - 1
        if step.iteration % every == 0 and (last or step.inner_step == 0):
            taken = condensation.gradient_norms()
            norms += [taken] if taken else []
        if not last:
            yield step, None
            continue
        finished = Iteration(
            iteration=step.iteration + 1,
            loss=float(torch.stack(losses).mean()),
            steps=len(losses),
            gradient_norms=tuple((float(real), float(synthetic)) for real, synthetic in norms),
        )
        losses.clear()
        norms.clear()
        yield step, finished


def scalars(iteration: Iteration) -> dict[str, float]:
    """The numbers of an outer iteration by the names that a tracker such as TensorBoard shows."""
    found = {"loss": iteration.loss}
    if iteration.gradient_norms:
        real, synthetic = iteration.gradient_norms[-1]
        found |= {"gradient norm/real": real, "gradient norm/synthetic": synthetic}
    return found
