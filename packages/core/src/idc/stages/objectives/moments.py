"""Matching the mean and the covariance of the features of real and synthetic images."""

from typing import Annotated, Literal, final

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from idc.kinds import Batch, NetworkView, Objective, Scalar, layer_of


@final
class Moments(Objective):
    """Squared distance between the mean features, plus that between their covariances (DSDM, ACM MM 2024).

    Its third term, the distance from the mean of earlier synthetic images, needs a memory and is left out.
    """

    type: Literal["moments"] = "moments"
    covariance: Annotated[float, Field(ge=0)] = 50.0
    """Weight of the covariances."""
    layer: int = -1
    """Layer of the features: index from 0, or negative from the last before the logits."""

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """`moment_distance` of the features, which are not pooled over space."""
        wanted, given = (
            layer_of(net.features(images), self.layer, "objective.layer").flatten(1)
            for images in (real.images, syn.images)
        )
        return moment_distance(wanted, given, self.covariance)


def moment_distance(
    real: Float[Tensor, "n d"],
    syn: Float[Tensor, "m d"],
    covariance: float,
    history: Float[Tensor, " d"] | None = None,
    history_weight: float = 0.0,
) -> Scalar:
    """DSDM's loss.

    Args:
        real: features.
        syn: features.
        covariance: weight of |difference of the covariances|², divided by d. Covariances are unbiased, and
            0 for a single image.
        history: features to which the mean of ``syn`` keeps close.
        history_weight: weight of |difference from ``history``|², divided by d.
    """
    size = real.shape[1]
    total = ((real.mean(0) - syn.mean(0)) ** 2).sum()
    if covariance:
        total = total + covariance / size * ((_covariance(real) - _covariance(syn)) ** 2).sum()
    if history is not None:
        total = total + history_weight / size * ((syn.mean(0) - history) ** 2).sum()
    return total


def _covariance(features: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    centred = features - features.mean(0)
    return centred.T @ centred / max(len(features) - 1, 1)
