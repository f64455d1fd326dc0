"""Ctrl-C and SIGTERM: the first stops after the inner step, the second exits immediately."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_requested(*, says: bool = True) -> Iterator[Callable[[], bool]]:
    """Within the block, the first signal only makes what is yielded return true; the next one interrupts.

    Args:
        says: whether a message is printed at the first signal.
    """
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)
        if not says:
            return
        # Not print: the signal may have come in the middle of printing.
        os.write(2, b"stopping after this inner step; press Ctrl-C again to exit immediately\n")

    with _handled(note):
        yield lambda: bool(received)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, SIGTERM does what Ctrl-C does, also to imports.

    Raises:
        KeyboardInterrupt: at either.
    """
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    with _handled(interrupt):
        try:
            yield
        except ImportError as error:
            # Torch tries to do without numpy if the import of numpy is interrupted.
            if received:
                raise KeyboardInterrupt from error
            raise


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    # Python handles signals in its main thread only, and one that is ignored should stay so.
    numbers = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before: dict[int, Any] = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
