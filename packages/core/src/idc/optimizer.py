"""The step on the codes: IDC's class-by-class momentum steps, in closed form.

The paper's code steps one momentum SGD on the tensor of all codes after each of the C classes, so a class
keeps coasting on its velocity while the others are matched. Classes own disjoint codes and the network does
not see them during the sweep, hence the whole sweep can be written for class c = 0 … C-1 as

    before the gradients:  x -= lr · m^(C-c) · (1 - m^c)/(1 - m) · v
    after them:            v  = m^C · v + g,   x -= lr · (1 - m^(C-c))/(1 - m) · v

with every class's gradient taken in between, in any order. This is exact, not an approximation. Where the
networks are trained on the synset the classes are coupled; ``step = "joint"`` makes one step for all (DC).
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from idc.stage import Table

if TYPE_CHECKING:
    from torch import Tensor

    from idc.shapes import Codes


class Optimizer(Table):
    """SGD with momentum on the codes."""

    learning_rate: Annotated[float, Field(gt=0)]
    """Step on the codes, for the gradient of one class's distance."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of its last step that a code makes again."""
    step: Literal["class", "joint"] = "class"
    """``class``: a step after each class's gradient (IDC). ``joint``: one step for all (DC, DSA, DM)."""

    def before(self, codes: "Codes", velocity: "Codes", shared: Collection[str] = ()) -> "Codes":
        """Codes at which the sweep's gradients are taken.

        Args:
            codes: as the last sweep left them; class axis first, except those in ``shared``.
            velocity: momentum buffers of the same shapes.
            shared: names of the codes without a class axis.

        Returns:
            Moved codes.
        """
        if self.step == "joint":
            return dict(codes)
        return {
            name: x if name in shared else x - self._per_class(x, self._coasted_before) * velocity[name]
            for name, x in codes.items()
        }

    def after(
        self, codes: "Codes", velocity: "Codes", gradients: "Codes", shared: Collection[str] = ()
    ) -> tuple["Codes", "Codes"]:
        """Codes and velocity once every class of the sweep has been stepped.

        Args:
            codes: as `before` returned them.
            velocity: as given to `before`.
            gradients: each class's gradient at ``codes``; for a shared tensor the sum over classes.
            shared: names of the codes without a class axis; they make one joint step.

        Returns:
            The new codes and the new velocity.
        """
        moved: Codes = {}
        speed: Codes = {}
        for name, x in codes.items():
            if self.step == "joint" or name in shared:
                speed[name] = self.momentum * velocity[name] + gradients[name]
                moved[name] = x - self.learning_rate * speed[name]
            else:
                speed[name] = self.momentum ** len(x) * velocity[name] + gradients[name]
                moved[name] = x - self._per_class(x, self._coasted_after) * speed[name]
        return moved, speed

    def _coasted_before(self, position: int, classes: int) -> float:
        return self.momentum ** (classes - position) * (1 - self.momentum**position) / (1 - self.momentum)

    def _coasted_after(self, position: int, classes: int) -> float:
        return (1 - self.momentum ** (classes - position)) / (1 - self.momentum)

    def _per_class(self, x: "Tensor", factor: Callable[[int, int], float]) -> "Tensor":
        steps = tuple(self.learning_rate * factor(position, len(x)) for position in range(len(x)))
        # Not at the top: what this module's importers need must start without torch.
        from idc.device import constant

        return constant(steps, x.dtype, x.device).view(-1, *(1,) * (x.ndim - 1))
