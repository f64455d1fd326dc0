"""How large a network's gradients are, given real and given synthetic images."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from idc.condensation.inner_step import Matching
from idc.network import Network, NetworkView
from idc.shapes import Codes, Indices, Scalar


class GradientNorms(NamedTuple):
    """L1 norms of the gradients of the cross-entropy with respect to all weights, as means over the classes.

    Where a network learns the synthetic images by heart these lose their gradient while real ones keep
    theirs, and matching stops: the paper's argument for training on real data (section 4).
    """

    real: Scalar
    """Given a batch of real images of a class, as a match sees it."""
    synthetic: Scalar
    """Given the synthetic ones."""


def gradient_norms(
    matching: Matching, network: Network, codes: Codes, step: int, refreshed: Mapping[int, Indices]
) -> GradientNorms:
    """Norms of a network's gradients given what an inner step sees.

    Args:
        matching: of the run.
        network: the network that was matched.
        codes: of all classes.
        step: the inner step's number, which decides what is drawn.
        refreshed: what `Matching.refresh` returned last.
    """
    view = NetworkView(network)
    norms: list[tuple[Tensor, ...]] = []
    for both in matching.batches({name: code.detach() for name, code in codes.items()}, step, refreshed):
        gradients = [view.gradients(batch).values() for batch in both]
        norms.append(tuple(torch.stack([g.abs().sum() for g in each]).sum() for each in gradients))
    real, synthetic = (torch.stack(each).mean() for each in zip(*norms, strict=True))
    return GradientNorms(real, synthetic)
