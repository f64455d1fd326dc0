"""SGD on the codes: IDC's class-by-class momentum steps, in closed form.

The paper's code steps one momentum SGD on the tensor of all codes after each of the C classes, so that a
class keeps moving by its velocity while the others are matched. Classes have disjoint codes, and the network
does not depend on them during an inner step. The whole inner step for class c = 0 … C-1 is therefore

    before the gradients:  x -= lr · m^(C-c) · (1 - m^c)/(1 - m) · v
    after them:            v  = m^C · v + g,   x -= lr · (1 - m^(C-c))/(1 - m) · v

with every class's gradient computed in between, in any order. This is exact, not an approximation, also for a
learning rate that changes between inner steps. If the networks are trained on the synset, the classes are
coupled; ``step = "joint"`` makes one step for all (DC).
"""

from collections.abc import Callable, Collection
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Optimizer, OptimizerState, Rows
from idc.runtime.device import constant

VELOCITY = "velocity"


@final
class SGD(Optimizer):
    """SGD with momentum, class by class as in IDC's code."""

    type: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Momentum."""
    step: Literal["class", "joint"] = "class"
    """``class``: a step after each class's gradient (IDC). ``joint``: one step for all (DC, DSA, DM)."""

    def initial_state(self, codes: Codes) -> OptimizerState:
        """Zero velocity."""
        return {VELOCITY: {name: torch.zeros_like(code) for name, code in codes.items()}}

    def before_gradients(
        self,
        codes: Codes,
        state: OptimizerState,
        number: int,
        shared: Collection[str] = (),
        rows: Rows | None = None,
    ) -> Codes:
        """Codes after moving by their velocity while earlier classes are matched."""
        if self.step == "joint":
            return dict(codes)
        velocity, rate = state[VELOCITY], self.rate(number)
        return {
            name: x
            if name in shared
            else x - self._per_class(x, self._coasted_before, rate, rows) * velocity[name]
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
        """Codes after their own step, and moving by their velocity while later classes are matched."""
        velocity, moved, speed = state[VELOCITY], dict[str, Tensor](), dict[str, Tensor]()
        rate = self.rate(number)
        for name, x in codes.items():
            if self.step == "joint" or name in shared:
                speed[name] = self.momentum * velocity[name] + gradients[name]
                moved[name] = x - rate * speed[name]
            else:
                speed[name] = self.momentum ** _all(x, rows).classes * velocity[name] + gradients[name]
                moved[name] = x - self._per_class(x, self._coasted_after, rate, rows) * speed[name]
        return moved, {VELOCITY: speed}

    def _coasted_before(self, position: int, classes: int) -> float:
        return self.momentum ** (classes - position) * (1 - self.momentum**position) / (1 - self.momentum)

    def _coasted_after(self, position: int, classes: int) -> float:
        return (1 - self.momentum ** (classes - position)) / (1 - self.momentum)

    def _per_class(
        self, x: Tensor, factor: Callable[[int, int], float], rate: float, rows: Rows | None
    ) -> Tensor:
        first, classes = _all(x, rows)
        steps = tuple(rate * factor(position, classes) for position in range(first, first + len(x)))
        return constant(steps, x.dtype, x.device).view(-1, *(1,) * (x.ndim - 1))


def _all(x: Tensor, rows: Rows | None) -> Rows:
    return rows or Rows(0, len(x))
