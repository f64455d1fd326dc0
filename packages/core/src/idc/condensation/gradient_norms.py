"""Norms of a network's gradients on real and on synthetic images."""

from typing import NamedTuple

import torch

from idc.condensation.inner_step import Matching
from idc.condensation.share import Share
from idc.condensation.state import State
from idc.network.network import Network
from idc.network.view import NetworkView
from idc.shapes import Scalar


class GradientNorms(NamedTuple):
    """L1 norms of the cross-entropy's gradients with respect to all weights, averaged over classes.

    If a network overfits the synthetic images, their gradient vanishes while that of real images does not,
    and matching stops: the paper's argument for training on real data (section 4).
    """

    real: Scalar
    """On a match's batch of real images."""
    synthetic: Scalar
    """On a match's batch of synthetic images."""


def gradient_norms(matching: Matching, share: Share, network: Network, state: State) -> GradientNorms:
    """Norms of a network's gradients on the last inner step's images.

    Args:
        matching: of the run.
        share: of the classes among processes.
        network: the network that was matched.
        state: this process's, after the step.

    Raises:
        RuntimeError: the gradients cannot be computed in one of the processes.
    """
    view, error = NetworkView(network), None
    norms = [next(iter(network.weights.values())).new_zeros(0, 2)]
    codes = {name: code.detach() for name, code in state.codes.items()}
    try:
        for both in matching.batches(codes, state.step - 1, state.refreshed):
            gradients = [view.gradients(batch).values() for batch in both]
            norms.append(
                torch.stack([torch.stack([g.abs().sum() for g in each]).sum() for each in gradients])[None]
            )
    except RuntimeError as caught:
        error = caught
    # Together, because the others would wait for one that gives up.
    if share.processes.any(error is not None) != (False,):
        raise error or RuntimeError("another process lacks memory for them")
    real, synthetic = share.gathered(torch.cat(norms)).unbind(1)
    return GradientNorms(real.mean(), synthetic.mean())
