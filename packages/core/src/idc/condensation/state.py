"""The state of a condensation, and the result of each step."""

from dataclasses import dataclass, field, replace

import torch

from idc.condensation.share import Share
from idc.network.network import Network
from idc.network.packed import flat, nested
from idc.shapes import Codes, Indices, OptimizerState, Scalar, Tensors


@dataclass(frozen=True, eq=False)
class State:
    """The state from which a condensation of the same pipeline and data resumes."""

    step: int
    """Inner steps that are done: of the run in its own state, of the group in a group's."""
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


def part(whole: State, share: Share, device: torch.device) -> State:
    """A copy of this process's part of a state with all classes, on its device."""
    kept = {label: whole.remembered[label] for label in share.own if label in whole.remembered}
    return replace(
        whole,
        codes=_on(device, share.part(whole.codes)),
        optimizer={name: _on(device, share.part(buffer)) for name, buffer in whole.optimizer.items()},
        # Positions selected by a sampler stay on the CPU.
        refreshed={label: whole.refreshed[label] for label in share.own if label in whole.refreshed},
        prepared=whole.prepared and _on(device, whole.prepared),
        remembered={label: _on(device, each) for label, each in kept.items()},
    )


def _on(device: torch.device, tensors: Tensors) -> Tensors:
    return {name: each.to(device, copy=True) for name, each in tensors.items()}


def collected(own: State, share: Share) -> State | None:
    """The state with all classes, on the CPU, in the first process; None in the others. All call it.

    One tensor after another, so that besides the whole only one is in memory twice.
    """
    codes = share.collected(own.codes)
    buffers = {name: share.collected(buffer) for name, buffer in own.optimizer.items()}
    refreshed = share.merged({str(label): each for label, each in own.refreshed.items()})
    remembered = share.merged(flat({str(label): each for label, each in own.remembered.items()}))
    if codes is None:
        return None
    return replace(
        own,
        codes=codes,
        optimizer={name: buffer for name, buffer in buffers.items() if buffer is not None},
        refreshed={int(label): each for label, each in refreshed.items()},
        remembered={int(label): each for label, each in nested(remembered).items()},
    )


@dataclass(frozen=True)
class Step:
    """One inner step: every class was matched once."""

    iteration: int
    """Outer iteration, from 0."""
    inner_step: int
    """Inner step within the outer iteration, from 0."""
    loss: Scalar
    """Mean distance over the classes, on the device; reading its value synchronises a GPU."""
