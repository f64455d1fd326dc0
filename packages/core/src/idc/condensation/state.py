"""The state of a condensation, and the result of each step."""

from dataclasses import dataclass, field

from idc.network.network import Network
from idc.shapes import Codes, Indices, OptimizerState, Scalar, Tensors


@dataclass(frozen=True, eq=False)
class State:
    """The state from which a condensation of the same pipeline and data resumes."""

    step: int
    """Inner steps since the beginning of the run."""
    codes: Codes
    optimizer: OptimizerState
    network: Network | None
    """The network that the last inner step matched; None if the next step does not depend on it."""
    refreshed: dict[int, Indices] = field(default_factory=dict)
    """What `Sampler.refresh` returned last, by class; empty for samplers that never refresh."""
    prepared: Tensors | None = None
    """What `Objective.prepare` returned; None before the first step."""
    remembered: dict[int, Tensors] = field(default_factory=dict)
    """What `Objective.remember` returned last, by class; empty for objectives that remember nothing."""


@dataclass(frozen=True)
class Step:
    """One inner step: every class was matched once."""

    iteration: int
    """Outer iteration, from 0."""
    inner_step: int
    """Inner step within the outer iteration, from 0."""
    loss: Scalar
    """Mean distance over the classes, on the device; reading its value synchronises a GPU."""
