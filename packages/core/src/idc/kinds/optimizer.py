"""The kind of stage that steps the codes."""

from abc import abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple

from pydantic import Field

from idc.kinds.stage import Stage
from idc.table import Table

if TYPE_CHECKING:
    from idc.shapes import Codes, OptimizerState


AVERAGE = "average"
"""Name of the buffer that holds the average of the codes."""


class Schedule(Table):
    """A learning rate that changes between updates of the codes."""

    milestones: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Numbers of updates after which the learning rate decays."""
    decay: Annotated[float, Field(gt=0)] = 0.5
    """Factor of the learning rate at each milestone."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Number of updates with a lower learning rate, which rises linearly."""

    def factor(self, number: int) -> float:
        """The factor of the learning rate in an update.

        Args:
            number: updates done before it.

        Returns:
            (number + 1) / (warmup + 1) while that is less than 1, times ``decay`` for each milestone passed.
        """
        rising = min(1.0, (number + 1) / (self.warmup + 1))
        return rising * self.decay ** sum(number >= milestone for milestone in self.milestones)


class Rows(NamedTuple):
    """Which classes the rows of codes belong to: consecutive ones of all that an inner step matches."""

    first: int
    """Position of the first row's class, from 0."""
    classes: int
    """Number of all classes."""


class Optimizer(Stage):
    """The step on the codes: a pure function from codes, state and gradients to codes and state."""

    group: ClassVar[str] = "idc.optimizers"
    default_type: ClassVar[str | None] = "sgd"

    learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate on the codes, for the gradient of one class's distance."""
    schedule: Schedule | None = None
    """How the learning rate changes during the run; by default it is constant."""
    average: Annotated[float, Field(ge=0)] | None = None
    """Deliver an average of the codes after each inner step instead of the last ones: η of polynomial-decay
    averaging (Shamir and Zhang, ICML 2013). The latest codes are (η + 1) / (t + η) of the average of t, which
    thus spans about the last η-th of the run, however long that is; 0 is the mean of all."""

    def begin(self, codes: "Codes") -> "OptimizerState":
        """The state before the first update: `initial_state`, and the average if there is one."""
        average = {} if self.average is None else {AVERAGE: dict(codes)}
        return {**self.initial_state(codes), **average}

    def follow(self, average: "Codes", codes: "Codes", number: int) -> "Codes":
        """The average with the codes after another inner step.

        Args:
            average: of the codes after all earlier ones.
            codes: after this one.
            number: inner steps done before it.
        """
        assert self.average is not None
        part = (self.average + 1) / (number + 1 + self.average)
        return {name: code.lerp(codes[name], part) for name, code in average.items()}

    def rate(self, number: int) -> float:
        """The learning rate of an update.

        Args:
            number: updates since the beginning of the run, this one excluded.
        """
        return self.learning_rate * (self.schedule.factor(number) if self.schedule else 1.0)

    @abstractmethod
    def initial_state(self, codes: "Codes") -> "OptimizerState":
        """Of `update`, before the first one: by buffer name a tensor for each of the codes, of its shape."""

    def before_gradients(
        self,
        codes: "Codes",
        state: "OptimizerState",
        number: int,
        shared: Collection[str] = (),
        rows: Rows | None = None,
    ) -> "Codes":
        """Codes at which an update's gradients are taken; the codes themselves by default.

        Args:
            codes: as the last update left them; class axis first, except those in ``shared``.
            state: as the last update left it.
            number: updates since the beginning of the run, this one excluded.
            shared: names of the codes without a class axis.
            rows: which classes the class axis holds, because several processes divide them; None for all.
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
        rows: Rows | None = None,
    ) -> tuple["Codes", "OptimizerState"]:
        """Codes and state after an update, with the learning rate ``rate(number)``.

        A class's row must not depend on which other rows there are.

        Args:
            codes: as `before_gradients` returned them.
            state: as given to `before_gradients`.
            gradients: each class's gradient at ``codes``; for a shared tensor the sum over classes.
            number: updates since the beginning of the run, this one excluded.
            shared: names of the codes without a class axis.
            rows: which classes the class axis holds; None for all.
        """
