"""How far something long has come, on standard error: a live bar, now and then a line, JSON, or nothing."""

import json
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from idc_cli.terminal import say, size

Fact = float | str

FORMATS: dict[str, Callable[[Fact], str]] = {
    "loss": lambda value: f"loss {value:.3g}",
    "images_per_second": lambda value: f"{value:,.0f} images/s",
    "memory": lambda value: size(int(value)),
    "of": str,
}
"""How facts are said to people, by their names; others are said with their names."""

FIRST_LINE, LONGEST_BETWEEN_LINES, BETWEEN_FRAMES = 1.0, 10.0, 0.25
"""Seconds; lines come ever more rarely, so that a log of days is not made of them."""

WINDOW = 30.0
"""Seconds back that a rate is taken over."""

WIDE = 100
"""Columns of a terminal from which there is room for a bar."""


class Display:
    """What a command says of its progress, and the lines about its outcome.

    Args:
        quiet: nothing of the progress.
        json: an object in each line instead of text.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False) -> None:
        self.console = Console(stderr=True)
        self.quiet = quiet
        self.json = json

    @property
    def live(self) -> bool:
        """Whether there is a terminal whose lines can be drawn anew."""
        return self.console.is_terminal and not (self.quiet or self.json)

    def say(self, text: str) -> None:
        """A line that matters to what comes of the command."""
        say(self.console, json.dumps({"message": text}) if self.json else text)

    def mention(self, text: str) -> None:
        """A line about the progress."""
        if not self.quiet:
            self.say(text)

    def track(self, title: str, total: float = 1.0, before: float = 0.0) -> "Track":
        """One long task; a context manager.

        Args:
            title: what is being done.
            total: steps of the whole task.
            before: steps that were done earlier.
        """
        return Track(self, title, total, before)


class Track:
    """How far one long task has come."""

    def __init__(self, display: Display, title: str, total: float, before: float) -> None:
        self._display, self._title, self._total = display, title, total
        self._began = self._shown = time.monotonic()
        self._pause = BETWEEN_FRAMES if display.live else FIRST_LINE
        # From the first step on: that one may have compiled something, and says nothing of the others.
        self._done: deque[tuple[float, float]] = deque()
        columns: list[ProgressColumn] = [TextColumn("{task.description}")]
        columns += [BarColumn(12)] if display.console.width >= WIDE else []
        columns += [TextColumn("{task.percentage:.0f} %"), TextColumn("{task.fields[note]}")]
        columns += [TimeRemainingColumn(), TextColumn("left")]
        self._bar = Progress(*columns, console=display.console, disable=not display.live)
        self._task = self._bar.add_task(title, total=total, completed=int(before), note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._bar.update(self._task, completed=self._total)
        self._bar.stop()
        if kind is None and not self._display.live:
            seconds = time.monotonic() - self._began
            self._print({"done": self._total, "seconds": round(seconds, 1)}, f"done in {seconds:.1f} s")

    @property
    def rate(self) -> float:
        """Steps per second lately; 0 while that is not known."""
        (first, began), (last, now) = self._done[0], self._done[-1]
        return (now - began) / (last - first) if last > first else 0.0

    def advance(self, done: float) -> bool:
        """Note how many of the steps are done.

        Returns:
            Whether a `show` is due; finding out a fact, such as a loss on a device, is only worth it then.
        """
        now = time.monotonic()
        self._done.append((now, done))
        while len(self._done) > 2 and now - self._done[0][0] > WINDOW:
            self._done.popleft()
        return not self._display.quiet and now - self._shown >= self._pause

    def show(self, **facts: Fact) -> None:
        """Say how far the task has come, and what else is worth knowing.

        Args:
            facts: by the names that scripts know them by.
        """
        self._shown, done = time.monotonic(), self._done[-1][1]
        note = ", ".join(FORMATS.get(name, f"{name} {{}}".format)(value) for name, value in facts.items())
        self._bar.update(self._task, completed=done, note=note)
        if self._display.live:
            return
        self._pause = min(2 * self._pause, LONGEST_BETWEEN_LINES)
        left = (self._total - done) / self.rate if self.rate else None
        parts = [f"{100 * done / self._total:.0f} %", note, "" if left is None else f"{duration(left)} left"]
        known = {} if left is None else {"seconds_left": round(left, 1)}
        self._print({"done": done, **known, **facts}, ", ".join(filter(None, parts)))

    def update(self, done: float, **facts: Fact) -> None:
        """`advance`, and `show` where that is due."""
        if self.advance(done):
            self.show(**facts)

    def _print(self, facts: dict[str, Fact], text: str) -> None:
        if self._display.quiet:
            return
        if self._display.json:
            text = json.dumps({"phase": self._title, "total": self._total, **facts})
        else:
            text = f"{self._title}: {text}"
        say(self._display.console, text)


def duration(seconds: float) -> str:
    """Seconds for people: ``40 s``, ``3 min``, ``2.5 h``, ``1.3 days``."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.2g} {unit}" if unit != "min" else f"{seconds / length:.0f} min"
    return f"{seconds:.0f} s"
