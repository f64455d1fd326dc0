"""Matching the mean and the covariance of the features of real and synthetic images."""

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from idc.kinds import Batch, Images, NetworkView, Objective, Scalar, Tensors, layer_of
from idc.stages import papers

KEPT = 0.99
"""Fraction of the history that an inner step keeps, as in DSDM's code."""


@final
class Moments(Objective):
    """Squared distance between the mean features, plus that between their covariances (DSDM, ACM MM 2024).

    A third term keeps the mean features of synthetic images close to their history: a running mean over the
    earlier inner steps, as their networks saw the images that were matched.
    """

    bibtex = papers.DSDM

    type: Literal["moments"] = "moments"
    covariance: Annotated[float, Field(ge=0)] = 50.0
    """Weight of the covariances."""
    history: Annotated[float, Field(ge=0)] = 0.2
    """Weight of the distance from the history; with 0 there is none."""
    history_from: Annotated[int, Field(ge=0)] = 2000
    """Inner steps after which that distance counts."""
    layer: int = -1
    """Layer of the features: index from 0, or negative from the last before the logits."""

    def passes(self) -> tuple[int, int]:
        """A forward pass of the synthetic images more with a history."""
        return 1, 4 if self.history else 3

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """`moment_distance` and `history_distance` of the features, which are not pooled over space."""
        given = self._features(net, syn.images)
        total = moment_distance(self._features(net, real.images), given, self.covariance)
        if not net.remembered:
            return total
        distance = history_distance(given, net.remembered["mean"], self.history)
        # Not by Python's if, because the number of steps is a value of the compiled step.
        counts = net.remembered["steps"] >= self.history_from
        return total + torch.where(counts, distance, torch.zeros_like(distance))

    def remember(self, net: NetworkView, real: Batch, syn: Batch) -> Tensors:
        """``mean`` (features), the history, and ``steps``, the number of inner steps in it."""
        if not self.history:
            return {}
        mean = self._features(net, syn.images).mean(0)
        if not net.remembered:
            return {"mean": mean, "steps": torch.ones((), dtype=torch.int64, device=mean.device)}
        old = net.remembered
        return {"mean": KEPT * old["mean"] + (1 - KEPT) * mean, "steps": old["steps"] + 1}

    def _features(self, net: NetworkView, images: Images) -> Float[Tensor, "n d"]:
        return layer_of(net.features(images), self.layer, "objective.layer").flatten(1)


def moment_distance(real: Float[Tensor, "n d"], syn: Float[Tensor, "m d"], covariance: float) -> Scalar:
    """DSDM's first two terms.

    Args:
        real: features.
        syn: features.
        covariance: weight of |difference of the covariances|², divided by d. Covariances are unbiased, and
            0 for a single image.
    """
    total = ((real.mean(0) - syn.mean(0)) ** 2).sum()
    if covariance:
        difference = _covariance(real) - _covariance(syn)
        total = total + covariance / real.shape[1] * (difference**2).sum()
    return total


def history_distance(syn: Float[Tensor, "m d"], history: Float[Tensor, " d"], weight: float) -> Scalar:
    """DSDM's third term: the weight of |mean of ``syn`` - ``history``|², divided by d."""
    return weight / syn.shape[1] * ((syn.mean(0) - history) ** 2).sum()


def _covariance(features: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    centred = features - features.mean(0)
    return centred.T @ centred / max(len(features) - 1, 1)
