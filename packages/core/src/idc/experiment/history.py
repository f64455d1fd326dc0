"""What a condensation was like, iteration by iteration: for logs, plots and trackers."""

import warnings
from collections.abc import Iterator

import torch

from idc.condensation.gradient_norms import GradientNorms
from idc.condensation.loop import Condensation
from idc.condensation.state import Step
from idc.errors import Notice, first_line
from idc.experiment.report import Iteration
from idc.shapes import Scalar

MOST_NORMS = 100
"""Outer iterations of a run whose gradient norms are taken at most, twice each."""

STEPS_FOR_NORMS = 20
"""Steps of a run for each of these: taking norms lasts as long as a step, and may be a tenth of all."""


def recorded(condensation: Condensation) -> Iterator[tuple[Step, Iteration | None]]:
    """The condensation's steps, and with the last of an outer iteration what the iteration was like.

    Args:
        condensation: is iterated; leave the loop whenever you like and begin another one to go on.
    """
    plan = condensation.pipeline
    looked_at = max(1, min(MOST_NORMS, len(condensation) // STEPS_FOR_NORMS))
    every = max(1, -(-plan.iterations // looked_at))
    losses: list[Scalar] = []
    first: GradientNorms | None = None
    for step in condensation:
        losses.append(step.loss)
        wanted, last = step.iteration % every == 0, step.inner_step == plan.inner_steps - 1
        if wanted and step.inner_step == 0:
            first = _norms(condensation)
        if not last:
            yield step, None
            continue
        norms = _norms(condensation) if wanted and plan.inner_steps > 1 else first
        finished = Iteration(
            iteration=step.iteration + 1,
            loss=float(torch.stack(losses).mean()),
            steps=len(losses),
            first_norms=_numbers(first),
            last_norms=_numbers(norms),
        )
        losses.clear()
        first = None
        yield step, finished


def scalars(iteration: Iteration) -> dict[str, float]:
    """The numbers of an outer iteration by the names that a tracker such as TensorBoard shows."""
    found = {"loss": iteration.loss}
    if iteration.last_norms:
        real, synthetic = iteration.last_norms
        found |= {"gradient norm/real": real, "gradient norm/synthetic": synthetic}
    return found


def _norms(condensation: Condensation) -> GradientNorms | None:
    try:
        return condensation.gradient_norms()
    except RuntimeError as error:
        # Weights that no image reaches, or too little memory: a run is worth more than its curves.
        warnings.warn(f"gradient norms cannot be taken ({first_line(error)}); going on", Notice, 2)
        return None


def _numbers(norms: GradientNorms | None) -> tuple[float, float] | None:
    return None if norms is None else (float(norms.real), float(norms.synthetic))
