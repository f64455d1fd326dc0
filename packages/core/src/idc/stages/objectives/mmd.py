"""Matching the distributions of the features of real and synthetic images in a kernel's space."""

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from idc.kinds import Batch, NetworkView, Objective, Scalar, layer_of
from idc.stages import papers

BANDWIDTHS = 0.25, 0.5, 1.0, 2.0, 4.0
EPSILON = 1e-6
"""Images whose squared distance is this part of their squared length are the same, up to rounding."""


@final
class MMD(Objective):
    """Squared maximum mean discrepancy of features (M3D, AAAI 2024), with a sum of Gaussian kernels.

    The kernel is not the authors': their repository had no code when this was written. Bandwidths follow the
    real features alone, so that moving synthetic images does not change the kernel.
    """

    bibtex = papers.M3D

    type: Literal["mmd"] = "mmd"
    bandwidths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = BANDWIDTHS
    """Of each kernel, in multiples of the mean squared distance between the real images' features."""
    layer: int = -1
    """Layer of the features: index from 0, or negative from the last before the logits."""

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """`squared_mmd` of the features, which are not pooled over space."""
        wanted, given = (
            layer_of(net.features(images), self.layer, "objective.layer").flatten(1)
            for images in (real.images, syn.images)
        )
        return squared_mmd(wanted, given, self.bandwidths)


def squared_mmd(
    real: Float[Tensor, "n d"], syn: Float[Tensor, "m d"], bandwidths: tuple[float, ...]
) -> Scalar:
    """Squared distance between the mean embeddings of two sets (Gretton et al., JMLR 2012).

    The biased estimate: the mean of k over all pairs of ``real``, plus that over all pairs of ``syn``, minus
    twice that over pairs of one with the other. An image's pair with itself is included, so that the result
    is never negative. k is the sum over ``bandwidths`` b of exp(-|x - y|² / (b s)), and s the mean squared
    distance between different images of ``real``, or the mean square of their lengths where that is 0.
    """
    # The origin does not matter to distances, but near the data they are more precise.
    center = real.mean(0)
    among_real = _squared_distances(real - center, real - center)
    spread = among_real.sum() / max(len(real) * (len(real) - 1), 1)
    length = (real**2).sum(1).mean().clamp(min=EPSILON)
    scale = torch.where(spread > EPSILON * length, spread, length)

    def mean_kernel(distances: Tensor) -> Scalar:
        kernels = [(-distances / (bandwidth * scale)).exp() for bandwidth in bandwidths]
        return torch.stack(kernels).sum(0).mean()

    among_syn = _squared_distances(syn - center, syn - center)
    across = _squared_distances(real - center, syn - center)
    return mean_kernel(among_real) + mean_kernel(among_syn) - 2 * mean_kernel(across)


def _squared_distances(first: Float[Tensor, "n d"], second: Float[Tensor, "m d"]) -> Float[Tensor, "n m"]:
    # Not by cdist, whose gradient is not defined where a distance is 0.
    return (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
