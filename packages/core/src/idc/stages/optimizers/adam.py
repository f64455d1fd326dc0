"""Adam and AdamW on the codes: one step for all classes, or a step after each class.

In NCFM's public code, one optimizer on the tensor of all codes is stepped after each of the C classes, with
a gradient of zero for the others. A class therefore keeps moving by its running means, which decay, while the
others are matched. Classes have disjoint codes, so that class c may first make its c steps without a gradient
(`before_gradients`), and then its own and the C-1-c that follow (`update`): exact, not an approximation. A
root of a running mean is in the denominator, so that there is no closed form as for SGD; each step without a
gradient is made for all classes that it concerns at once.
"""

from abc import ABC
from collections.abc import Collection
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Optimizer, OptimizerState, Rows

MEAN, SQUARE = "exp_avg", "exp_avg_sq"

Beta = Annotated[float, Field(ge=0, lt=1)]


class AdamSteps(Optimizer, ABC):
    """What Adam and AdamW have in common; they differ in the weight decay."""

    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Term added to the denominator for numerical stability."""
    step: Literal["joint", "class"] = "joint"
    """``joint``: one step for all classes. ``class``: a step after each class's gradient (NCFM's code)."""

    def decoupled_decay(self) -> float:
        """The weight decay that is decoupled from the gradients."""
        return 0.0

    def initial_state(self, codes: Codes) -> OptimizerState:
        """Running means of zero."""
        return {
            buffer: {name: torch.zeros_like(code) for name, code in codes.items()}
            for buffer in (MEAN, SQUARE)
        }

    def before_gradients(
        self,
        codes: Codes,
        state: OptimizerState,
        number: int,
        shared: Collection[str] = (),
        rows: Rows | None = None,
    ) -> Codes:
        """Codes after a step without a gradient for each of the classes before their own."""
        return {
            name: self._coasted(x, state[MEAN][name], state[SQUARE][name], number, rows or Rows(0, len(x)))
            if self._by_class(name, shared)
            else x
            for name, x in codes.items()
        }

    def update(
        self,
        codes: Codes,
        state: OptimizerState,
        gradients: Codes,
        number: int,
        shared: Collection[str] = (),
        rows: Rows | None = None,
    ) -> tuple[Codes, OptimizerState]:
        """One step, with bias correction; by class also a step without a gradient for each class after it."""
        beta1, beta2 = self.betas
        means, squares, moved = dict[str, Tensor](), dict[str, Tensor](), dict[str, Tensor]()
        for name, code in codes.items():
            gradient = gradients[name]
            mean, square = state[MEAN][name], state[SQUARE][name]
            by_class, held = self._by_class(name, shared), rows or Rows(0, len(code))
            if by_class:
                mean, square = self._decayed(mean, beta1, held), self._decayed(square, beta2, held)
            mean = beta1 * mean + (1 - beta1) * gradient
            square = beta2 * square + (1 - beta2) * gradient**2
            if by_class:
                moved[name] = self._own_and_coasted(code, mean, square, number, held)
            else:
                moved[name] = self._moved(code, mean, square, number + 1, self.rate(number))
            means[name], squares[name] = mean, square
        return moved, {MEAN: means, SQUARE: squares}

    def _by_class(self, name: str, shared: Collection[str]) -> bool:
        return self.step == "class" and name not in shared

    def _moved(self, x: Tensor, mean: Tensor, square: Tensor, step: int, rate: float) -> Tensor:
        """Codes after step number ``step``, counted from 1, with the running means that it leaves."""
        correction1, correction2 = (1 - beta**step for beta in self.betas)
        denominator = (square / correction2).sqrt() + self.eps
        decay = self.decoupled_decay()
        kept = x if decay == 0.0 else x * (1 - rate * decay)
        return kept - rate * (mean / correction1) / denominator

    def _coasted(self, x: Tensor, mean: Tensor, square: Tensor, number: int, rows: Rows) -> Tensor:
        x, mean, square = x.clone(), mean.clone(), square.clone()
        beta1, beta2 = self.betas
        for step in range(1, rows.classes):
            later = slice(max(step - rows.first, 0), None)
            mean[later] *= beta1
            square[later] *= beta2
            x[later] = self._moved(
                x[later], mean[later], square[later], number * rows.classes + step, self.rate(number)
            )
        return x

    def _own_and_coasted(self, x: Tensor, mean: Tensor, square: Tensor, number: int, rows: Rows) -> Tensor:
        """Codes from each class's own step on; later steps decay the running means in place."""
        x = x.clone()
        beta1, beta2 = self.betas
        for step in range(1, rows.classes + 1):
            before, until = (slice(max(position - rows.first, 0)) for position in (step - 1, step))
            mean[before] *= beta1
            square[before] *= beta2
            x[until] = self._moved(
                x[until], mean[until], square[until], number * rows.classes + step, self.rate(number)
            )
        return x

    def _decayed(self, buffer: Tensor, beta: float, rows: Rows) -> Tensor:
        """A running mean after the steps without a gradient that come before each class's own."""
        buffer = buffer.clone()
        for step in range(1, rows.classes):
            buffer[max(step - rows.first, 0) :] *= beta
        return buffer


@final
class Adam(AdamSteps):
    """Adam (Kingma and Ba, ICLR 2015), with PyTorch's defaults."""

    type: Literal["adam"] = "adam"


@final
class AdamW(AdamSteps):
    """AdamW (Loshchilov and Hutter, ICLR 2019), with PyTorch's defaults: Adam with decoupled weight decay.

    Codes are multiplied by 1 - rate · weight_decay in every step, which draws them to zero.
    """

    type: Literal["adamw"] = "adamw"
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    """Weight decay, decoupled from the gradients."""

    def decoupled_decay(self) -> float:
        """The field ``weight_decay``."""
        return self.weight_decay
