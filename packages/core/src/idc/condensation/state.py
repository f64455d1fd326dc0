"""What a condensation resumes from, and what it says of each step."""

from dataclasses import dataclass, field

from idc.network import Network
from idc.shapes import Codes, Indices, OptimizerState, Scalar, Tensors


@dataclass(frozen=True, eq=False)
class State:
    """All that a condensation resumes from, beside its pipeline and data."""

    step: int
    """Inner steps since the beginning."""
    codes: Codes
    optimizer: OptimizerState
    network: Network | None
    """The one that the last inner step matched; None where the next one does not depend on it."""
    refreshed: dict[int, Indices] = field(default_factory=dict)
    """What `Sampler.refresh` returned last, by class; empty for samplers that never refresh."""
    prepared: Tensors | None = None
    """What `Objective.prepare` returned; None before the first step."""


@dataclass(frozen=True)
class Step:
    """One inner step: every class was matched once."""

    iteration: int
    """Outer iteration, from 0."""
    inner_step: int
    """Inner step within the outer iteration, from 0."""
    loss: Scalar
    """Mean distance over the classes; on the device, so that reading it is what waits for it."""
