"""Progress of something long: a live bar in a terminal, now and then a line anywhere else."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from idc_cli.terminal import say

SECONDS_BETWEEN_LINES = 10.0


class Track:
    """One long task; a context manager.

    Args:
        console: where to show it.
        title: what is being done.
        total: steps of the whole task.
        quiet: show nothing.
        before: steps that were done earlier.
    """

    def __init__(
        self, console: Console, title: str, total: float, *, quiet: bool = False, before: float = 0
    ) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._before = before
        self._quiet = quiet
        self._live = console.is_terminal and not quiet
        self._began = self._shown = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            # Narrow, so that the note fits a terminal of 80 columns.
            BarColumn(12),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            disable=not self._live,
        )
        self._task = self._bar.add_task(title, total=total, note="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._bar.update(self._task, completed=self._total)
        self._bar.stop()
        if kind is None and not self._live:
            self._print_line(f"done in {time.monotonic() - self._began:.1f} s")

    def rate(self, done: float) -> float:
        """Steps per second if ``done`` have been done by now."""
        return (done - self._before) / max(time.monotonic() - self._began, 1e-9)

    def due(self) -> bool:
        """Whether an `update` would be seen; reading a loss from a device is only worth it then."""
        if self._quiet:
            return False
        interval = 0.25 if self._live else SECONDS_BETWEEN_LINES
        return time.monotonic() - self._shown >= interval

    def update(self, done: float, note: str = "") -> None:
        """Say how far the task has come.

        Args:
            done: steps, out of ``total``.
            note: what else is worth knowing.
        """
        if not self.due():
            return
        self._shown = time.monotonic()
        self._bar.update(self._task, completed=done, note=note)
        if not self._live:
            left = (self._total - done) / max(self.rate(done), 1e-9)
            self._print_line(f"{100 * done / self._total:.0f} % {note}, {left:.0f} s left".replace(" ,", ","))

    def _print_line(self, text: str) -> None:
        if not self._quiet:
            say(self._console, f"{self._title}: {text}")
