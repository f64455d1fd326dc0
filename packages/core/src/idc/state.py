"""What a condensation goes on from, and what it says of each step."""

from dataclasses import dataclass

from idc.network import Network
from idc.shapes import Codes, Scalar


@dataclass(frozen=True, eq=False)
class State:
    """All that a condensation goes on from, beside its pipeline and data."""

    step: int
    """Sweeps made since the beginning."""
    codes: Codes
    velocity: Codes
    network: Network | None
    """The one that the last sweep looked through; None where the next one does not depend on it."""


@dataclass(frozen=True)
class Step:
    """One sweep over all classes."""

    iteration: int
    """Outer iteration, from 0."""
    inner_step: int
    """Sweep within the outer iteration, from 0."""
    loss: Scalar
    """Mean distance over the classes; on the device, so that reading it is what waits for it."""
