"""Norms of a network's gradients on real and on synthetic images."""

from typing import NamedTuple

import torch
from torch import Tensor

from idc.condensation.inner_step import Matching
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


def gradient_norms(matching: Matching, network: Network, state: State) -> GradientNorms:
    """Norms of a network's gradients on the last inner step's images.

    Args:
        matching: of the run.
        network: the network that was matched.
        state: of the run, after the step.
    """
    view = NetworkView(network)
    norms: list[tuple[Tensor, ...]] = []
    codes = {name: code.detach() for name, code in state.codes.items()}
    for both in matching.batches(codes, state.step - 1, state.refreshed):
        gradients = [view.gradients(batch).values() for batch in both]
        norms.append(tuple(torch.stack([g.abs().sum() for g in each]).sum() for each in gradients))
    real, synthetic = (torch.stack(each).mean() for each in zip(*norms, strict=True))
    return GradientNorms(real, synthetic)
