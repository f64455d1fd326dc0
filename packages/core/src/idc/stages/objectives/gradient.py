"""Matching the gradients that real and synthetic images give a network."""

from collections.abc import Callable
from typing import Literal, final

from torch import Tensor

from idc.kinds import Batch, InputError, NetworkView, Objective, Scalar

EPSILON = 1e-6

Metric = Literal["mse", "l1", "l1_mean", "cos"]


@final
class Gradient(Objective):
    """Distance between gradients of the mean cross-entropy, summed over the matched weights.

    Convolution kernels are matched; other weights only if asked for (IDC, section 4). ``metric = "cos"`` with
    ``fc = true`` is the layer-wise distance of DC (section 3).
    """

    type: Literal["gradient"] = "gradient"
    metric: Metric = "mse"
    """``mse`` and ``l1`` sum over all entries; ``l1_mean`` and ``cos`` take each output filter's mean
    difference or one minus cosine and sum over filters."""
    bias: bool = False
    """Match biases and normalisation weights too."""
    fc: bool = False
    """Match linear layers too."""

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """Sum over the matched weights; second-order in the synthetic images."""
        names = [name for name, weight in net.weights.items() if self._matches(weight)]
        if not names:
            raise InputError(
                "objective: this network has no convolution kernels to match; set objective.fc = true"
            )
        wanted, given = net.gradients(real, names), net.gradients(syn, names)
        distances = [METRICS[self.metric](wanted[name], given[name]) for name in names]
        total = distances[0]
        for distance in distances[1:]:
            total = total + distance
        return total

    def _matches(self, weight: Tensor) -> bool:
        return weight.ndim >= 3 or (weight.ndim == 2 and self.fc) or (weight.ndim < 2 and self.bias)


def mse(real: Tensor, syn: Tensor) -> Scalar:
    """Sum of squared differences."""
    return ((real - syn) ** 2).sum()


def l1(real: Tensor, syn: Tensor) -> Scalar:
    """Sum of absolute differences."""
    return (real - syn).abs().sum()


def l1_mean(real: Tensor, syn: Tensor) -> Scalar:
    """Mean absolute difference of each output filter, summed over filters."""
    return (_rows(real) - _rows(syn)).abs().mean(1).sum()


def cos(real: Tensor, syn: Tensor) -> Scalar:
    """One minus the cosine for each output filter, summed over filters."""
    a, b = _rows(real), _rows(syn)
    return (1 - (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + EPSILON)).sum()


METRICS: dict[str, Callable[[Tensor, Tensor], Scalar]] = {
    "mse": mse,
    "l1": l1,
    "l1_mean": l1_mean,
    "cos": cos,
}


def _rows(gradient: Tensor) -> Tensor:
    return gradient.reshape(len(gradient), -1)
