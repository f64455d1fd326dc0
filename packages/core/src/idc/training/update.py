"""Update rules of a network's weights: pure functions, so that they are part of a compiled step."""

import torch
from torch import Tensor

from idc.network.network import Weights
from idc.shapes import OptimizerState, Tensors

VELOCITY = "velocity"
MEAN, SQUARE = "exp_avg", "exp_avg_sq"

BUFFERS = {"sgd": (VELOCITY,), "adamw": (MEAN, SQUARE)}
"""Names of the buffers of each optimizer."""


def zeros(weights: Weights, optimizer: str) -> OptimizerState:
    """An optimizer's buffers before its first step.

    Args:
        weights: of the network.
        optimizer: a key of `BUFFERS`.
    """
    return {
        buffer: {name: torch.zeros_like(weight) for name, weight in weights.items()}
        for buffer in BUFFERS[optimizer]
    }


def sgd(
    weights: Weights,
    state: OptimizerState,
    gradients: Weights,
    factors: Tensors,
    momentum: float,
    weight_decay: float,
) -> tuple[Weights, OptimizerState]:
    """A step of `torch.optim.SGD` with momentum, no dampening, and weight decay as an L2 penalty.

    Args:
        weights: before the step.
        state: ``velocity`` of each weight.
        gradients: of the loss.
        factors: ``rate`` ().
        momentum: of the velocity.
        weight_decay: factor of the weights that is added to the gradients.
    """
    moved, pushed = dict[str, Tensor](), dict[str, Tensor]()
    for name, weight in weights.items():
        push = gradients[name] + weight_decay * weight + momentum * state[VELOCITY][name]
        # The same memory layout as the inputs, so that the next step uses the same graph.
        pushed[name] = push.contiguous()
        moved[name] = (weight - factors["rate"] * push).contiguous()
    return moved, {VELOCITY: pushed}


def adamw(
    weights: Weights,
    state: OptimizerState,
    gradients: Weights,
    factors: Tensors,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tuple[Weights, OptimizerState]:
    """A step of `torch.optim.AdamW` (Loshchilov and Hutter, ICLR 2019): decoupled weight decay.

    Args:
        weights: before the step.
        state: ``exp_avg`` and ``exp_avg_sq`` of each weight.
        gradients: of the loss.
        factors: ``rate`` () and the bias corrections ``mean`` () and ``square`` (), see `corrections`.
        betas: decay rates of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the weights that is subtracted, times the rate.
    """
    moved, means, squares = dict[str, Tensor](), dict[str, Tensor](), dict[str, Tensor]()
    for name, weight in weights.items():
        gradient = gradients[name]
        mean = betas[0] * state[MEAN][name] + (1 - betas[0]) * gradient
        square = betas[1] * state[SQUARE][name] + (1 - betas[1]) * gradient**2
        direction = (mean / factors["mean"]) / ((square / factors["square"]).sqrt() + eps)
        means[name], squares[name] = mean.contiguous(), square.contiguous()
        moved[name] = (weight - factors["rate"] * (direction + weight_decay * weight)).contiguous()
    return moved, {MEAN: means, SQUARE: squares}


def corrections(betas: tuple[float, float], step: int) -> dict[str, float]:
    """Divisors of Adam's running means, which begin at zero: ``mean`` and ``square``.

    Args:
        betas: decay rates.
        step: number of the step, from 1.
    """
    return {"mean": 1 - betas[0] ** step, "square": 1 - betas[1] ** step}
