"""Adam on the codes: one step for all classes."""

from collections.abc import Collection
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Optimizer, OptimizerState


@final
class Adam(Optimizer):
    """Adam (Kingma and Ba, ICLR 2015), with PyTorch's defaults; one step per inner step for all codes."""

    type: Literal["adam"] = "adam"
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Term added to the denominator for numerical stability."""

    def initial_state(self, codes: Codes) -> OptimizerState:
        """Running means of zero."""
        return {
            buffer: {name: torch.zeros_like(code) for name, code in codes.items()}
            for buffer in ("exp_avg", "exp_avg_sq")
        }

    def update(
        self,
        codes: Codes,
        state: OptimizerState,
        gradients: Codes,
        number: int,
        shared: Collection[str] = (),
    ) -> tuple[Codes, OptimizerState]:
        """One step, with bias correction."""
        beta1, beta2 = self.betas
        correction1, correction2 = (1 - beta ** (number + 1) for beta in self.betas)
        means, squares, moved = dict[str, Tensor](), dict[str, Tensor](), dict[str, Tensor]()
        for name, gradient in gradients.items():
            means[name] = beta1 * state["exp_avg"][name] + (1 - beta1) * gradient
            squares[name] = beta2 * state["exp_avg_sq"][name] + (1 - beta2) * gradient**2
            denominator = (squares[name] / correction2).sqrt() + self.eps
            moved[name] = codes[name] - self.learning_rate * (means[name] / correction1) / denominator
        return moved, {"exp_avg": means, "exp_avg_sq": squares}
