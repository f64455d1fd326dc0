"""The kind of stage that steps the codes."""

from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.shapes import Codes, OptimizerState


class Optimizer(Stage):
    """The step on the codes: a pure function from codes, state and gradients to codes and state."""

    group: ClassVar[str] = "idc.optimizers"
    default_type: ClassVar[str | None] = "sgd"

    learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate on the codes, for the gradient of one class's distance."""

    @abstractmethod
    def initial_state(self, codes: "Codes") -> "OptimizerState":
        """The state before the first step: by buffer name a tensor for each of the codes, of its shape."""

    def before_gradients(
        self, codes: "Codes", state: "OptimizerState", shared: Collection[str] = ()
    ) -> "Codes":
        """Codes at which an inner step's gradients are taken; the codes themselves by default.

        Args:
            codes: as the last update left them; class axis first, except those in ``shared``.
            state: as the last update left it.
            shared: names of the codes without a class axis.
        """
        return codes

    @abstractmethod
    def update(
        self,
        codes: "Codes",
        state: "OptimizerState",
        gradients: "Codes",
        number: int,
        shared: Collection[str] = (),
    ) -> tuple["Codes", "OptimizerState"]:
        """Codes and state after an inner step.

        Args:
            codes: as `before_gradients` returned them.
            state: as given to `before_gradients`.
            gradients: each class's gradient at ``codes``; for a shared tensor the sum over classes.
            number: inner steps since the beginning of the run, this one excluded.
            shared: names of the codes without a class axis.
        """
