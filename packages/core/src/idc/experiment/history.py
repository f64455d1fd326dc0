"""Metrics of a condensation by outer iteration: for logs, plots and trackers."""

import warnings
from collections.abc import Iterator

import torch

from idc.condensation.gradient_norms import GradientNorms
from idc.condensation.loop import Condensation
from idc.condensation.state import Step
from idc.errors import Notice, RunError, first_line
from idc.experiment.report import Iteration
from idc.shapes import Scalar

MAX_ITERATIONS_WITH_NORMS = 100
"""Maximum number of outer iterations whose gradient norms are computed, twice each."""

STEPS_PER_ITERATION_WITH_NORMS = 20
"""Inner steps of a run for each of these: computing norms takes as long as a step, and twice per iteration
adds at most a tenth."""


def recorded(condensation: Condensation) -> Iterator[tuple[Step, Iteration | None]]:
    """The condensation's steps; the last of an outer iteration comes with the iteration's metrics.

    Args:
        condensation: to run. The loop may be left at any time; a new one continues.
    """
    plan, total = condensation.pipeline, condensation.iterations
    with_norms = max(1, min(MAX_ITERATIONS_WITH_NORMS, len(condensation) // STEPS_PER_ITERATION_WITH_NORMS))
    every = max(1, -(-total // with_norms))
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
    """An outer iteration's metrics by name, for a tracker such as TensorBoard."""
    found = {"loss": iteration.loss}
    if iteration.last_norms:
        real, synthetic = iteration.last_norms
        found |= {"gradient norm/real": real, "gradient norm/synthetic": synthetic}
    return found


def _norms(condensation: Condensation) -> GradientNorms | None:
    try:
        return condensation.gradient_norms()
    except RunError:
        raise
    except RuntimeError as error:
        # Unused weights or too little memory must not end a run.
        warnings.warn(f"gradient norms cannot be computed ({first_line(error)}); continuing", Notice, 2)
        return None


def _numbers(norms: GradientNorms | None) -> tuple[float, float] | None:
    return None if norms is None else (float(norms.real), float(norms.synthetic))
