"""How often something is done: every N iterations or minutes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from idc.errors import InputError


@dataclass(frozen=True)
class Interval:
    """A number of outer iterations, or of seconds."""

    iterations: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """``20`` for iterations, ``5m`` for minutes.

        Raises:
            InputError: the text is neither.
        """
        try:
            if text.endswith("m") and float(text[:-1]) >= 0:
                return cls(seconds=60 * float(text[:-1]))
            if int(text) >= 1:
                return cls(iterations=int(text))
        except ValueError:
            pass
        raise InputError(
            f"--checkpoint-every: {text!r} is not allowed; it must be a number of iterations from 1, such as "
            "20, or of minutes, such as 5m"
        )

    def __str__(self) -> str:
        return str(self.iterations) if self.iterations else f"{(self.seconds or 0) / 60:g}m"

    def started(self, iteration: int) -> Callable[[int], bool]:
        """Start counting.

        Args:
            iteration: outer iterations done now.

        Returns:
            A function from the outer iterations done to whether it is time again.
        """
        last = [time.monotonic(), float(iteration)]

        def due(iteration: int) -> bool:
            if self.iterations is not None:
                now = iteration >= last[1] + self.iterations
            else:
                now = time.monotonic() >= last[0] + (self.seconds or 0)
            if now:
                last[:] = [time.monotonic(), float(iteration)]
            return now

        return due
