"""Random perturbation of a network's weights."""

from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Generator, Tensor

from idc.kinds import Table, Tensors
from idc.stages import papers

EPSILON = 1e-10
"""Added to the norm of a Gaussian filter before dividing by it."""


class Perturbation(Table):
    """Steps along two random directions (model augmentation, Zhang et al. 2023).

    A direction is Gaussian, with each output filter scaled to the norm of the weight's own; tensors with one
    axis (biases, norms) are left as they are.
    """

    bibtex = papers.MODEL_AUGMENTATION

    low: Annotated[float, Field(ge=0)] = 0.01
    """Shortest step, as a fraction of the weights' norm."""
    high: Annotated[float, Field(ge=0)] = 0.09
    """Longest step; each is uniform between both, with a random sign."""

    @model_validator(mode="after")
    def _in_order(self) -> "Perturbation":
        if self.low > self.high:
            raise ValueError(f"low: {self.low:g} is not allowed; it must be at most high, {self.high:g}")
        return self

    def perturbed(self, weights: Tensors, generator: Generator) -> Tensors:
        """New weights.

        Args:
            weights: by name.
            generator: the only source of randomness, on the CPU.
        """
        moved = dict(weights)
        for _ in range(2):
            size, sign = torch.rand(2, generator=generator).tolist()
            step = (self.low + (self.high - self.low) * size) * (1 if sign < 0.5 else -1)
            for name, weight in weights.items():
                gauss = torch.randn(weight.shape, generator=generator).to(weight)
                moved[name] = moved[name] + step * direction(weight, gauss)
        return moved


def direction(weight: Tensor, gauss: Tensor) -> Tensor:
    """A Gaussian direction whose rows (output filters) have the norms of the weight's; 0 for one axis.

    Args:
        weight: of a network.
        gauss: of the same shape.
    """
    if weight.ndim <= 1:
        return torch.zeros_like(weight)
    axes = tuple(range(1, weight.ndim))
    wanted, found = (torch.linalg.vector_norm(each, dim=axes, keepdim=True) for each in (weight, gauss))
    return gauss * (wanted / (found + EPSILON))
