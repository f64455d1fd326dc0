"""Progress on standard error: a live bar, a line now and then, JSON, or nothing."""

import json
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from idc_cli.terminal.text import duration, say, size

Fact = float | str

FORMATS: dict[str, Callable[[Fact], str]] = {
    "loss": lambda value: f"loss {value:.3g}",
    "images_per_second": lambda value: f"{value:,.0f} images/s",
    "memory": lambda value: size(int(value)),
    "of": str,
}
"""Name of a fact → how it is printed; others are printed as name and value."""

FIRST_LINE, LINE_INTERVAL, FRAME_INTERVAL = 1.0, 10.0, 0.25
"""Seconds until the first line, between lines at most, and between frames of the bar. The time between lines
doubles up to its limit, so that the log of a run of days stays readable."""

RATE_WINDOW = 30.0
"""Seconds over which the rate is averaged."""

BAR_WIDTH = 100
"""Columns of a terminal that has room for a bar."""


class Display:
    """Prints a command's progress, and messages about its outcome.

    Args:
        quiet: print no progress.
        json: print an object in each line instead of text.
        silent: print nothing at all, because another process prints the same.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False, silent: bool = False) -> None:
        self.console = Console(stderr=True, quiet=silent)
        self.quiet = quiet or silent
        self.json = json

    @property
    def live(self) -> bool:
        """Whether there is a terminal in which a bar can be redrawn."""
        return self.console.is_terminal and not (self.quiet or self.json)

    def say(self, text: str) -> None:
        """Print a message about the outcome, also with ``quiet``."""
        say(self.console, json.dumps({"message": text}) if self.json else text)

    def mention(self, text: str) -> None:
        """Print a message about the progress."""
        if not self.quiet:
            self.say(text)

    def track(self, title: str, total: float = 1.0, before: float = 0.0) -> "Track":
        """The progress of one long task, as a context manager.

        Args:
            title: what is being done.
            total: steps of the whole task.
            before: steps that an earlier process has done.
        """
        return Track(self, title, total, before)


class Track:
    """Progress of one long task."""

    def __init__(self, display: Display, title: str, total: float, before: float) -> None:
        self._display, self._title, self._total = display, title, total
        self._started = self._shown = time.monotonic()
        self._pause = FRAME_INTERVAL if display.live else FIRST_LINE
        # Without the first step, which may have compiled something and says nothing about the others.
        self._done: deque[tuple[float, float]] = deque()
        columns: list[ProgressColumn] = [TextColumn("{task.description}")]
        columns += [BarColumn(12)] if display.console.width >= BAR_WIDTH else []
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
            seconds = time.monotonic() - self._started
            self._print({"done": self._total, "seconds": round(seconds, 1)}, f"done in {seconds:.1f} s")

    @property
    def rate(self) -> float:
        """Steps per second of late; 0 while it is not known."""
        (first, began), (last, now) = self._done[0], self._done[-1]
        return (now - began) / (last - first) if last > first else 0.0

    def advance(self, done: float) -> bool:
        """Record how many steps are done.

        Args:
            done: steps, including those of an earlier process.

        Returns:
            Whether `show` is due; read a fact that costs time, such as a loss on a GPU, only then.
        """
        now = time.monotonic()
        self._done.append((now, done))
        while len(self._done) > 2 and now - self._done[0][0] > RATE_WINDOW:
            self._done.popleft()
        return not self._display.quiet and now - self._shown >= self._pause

    def show(self, **facts: Fact) -> None:
        """Print how far the task has come.

        Args:
            facts: what else is worth knowing, by the names that are used in JSON.
        """
        self._shown, done = time.monotonic(), self._done[-1][1]
        note = ", ".join(FORMATS.get(name, f"{name} {{}}".format)(value) for name, value in facts.items())
        self._bar.update(self._task, completed=done, note=note)
        if self._display.live:
            return
        self._pause = min(2 * self._pause, LINE_INTERVAL)
        left = (self._total - done) / self.rate if self.rate else None
        parts = [f"{100 * done / self._total:.0f} %", note, "" if left is None else f"{duration(left)} left"]
        known = {} if left is None else {"seconds_left": round(left, 1)}
        self._print({"done": done, **known, **facts}, ", ".join(filter(None, parts)))

    def update(self, done: float, **facts: Fact) -> None:
        """`advance`, and `show` if it is due."""
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
