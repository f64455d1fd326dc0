"""Matching the network's gradients on real and synthetic images."""

from collections.abc import Callable
from typing import Literal, final

from torch import Tensor

from idc.kinds import Batch, InputError, NetworkView, Objective, Scalar, Tensors
from idc.stages import papers

EPSILON = 1e-6

Metric = Literal["mse", "l1", "l1_mean", "cos"]


@final
class Gradient(Objective):
    """Distance between gradients of the mean cross-entropy, summed over the matched weights.

    By default only convolution kernels are matched (IDC, section 4). ``metric = "cos"`` with ``fc = true`` is
    the layer-wise distance of DC (section 3).
    """

    bibtex = papers.DC

    type: Literal["gradient"] = "gradient"
    metric: Metric = "mse"
    """``mse`` and ``l1``: squared or absolute difference, summed over all entries. ``l1_mean`` and ``cos``:
    mean absolute difference or one minus cosine of each output filter, summed over filters."""
    bias: bool = False
    """Whether biases and normalisation weights are matched too."""
    fc: bool = False
    """Whether linear layers are matched too."""
    flip_invariant: bool = False
    """Whether gradients of two-dimensional kernels are averaged with their mirror images, left to right,
    before they are compared (FYI, ECCV 2024)."""

    def passes(self) -> tuple[int, int]:
        """A gradient of each real image, and differentiating through that of each synthetic one."""
        return 3, 6

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """The distance; its gradient is of second order in the network."""
        names = [name for name, weight in net.weights.items() if self._matches(weight)]
        if not names:
            raise InputError(
                "objective: this network has no convolution kernels to match; set objective.fc = true"
            )
        real_gradients, syn_gradients = net.gradients(real, names), net.gradients(syn, names)
        if self.flip_invariant:
            real_gradients, syn_gradients = flip_averaged(real_gradients), flip_averaged(syn_gradients)
        distances = [METRICS[self.metric](real_gradients[name], syn_gradients[name]) for name in names]
        total = distances[0]
        for distance in distances[1:]:
            total = total + distance
        return total

    def _matches(self, weight: Tensor) -> bool:
        return weight.ndim >= 3 or (weight.ndim == 2 and self.fc) or (weight.ndim < 2 and self.bias)


def flip_averaged(gradients: Tensors) -> Tensors:
    """Gradients by name; those of two-dimensional kernels are averaged with their mirror images (FYI)."""
    return {
        name: (gradient + gradient.flip(-1)) / 2 if gradient.ndim == 4 else gradient
        for name, gradient in gradients.items()
    }


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
    """One minus the cosine of each output filter, summed over filters."""
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
