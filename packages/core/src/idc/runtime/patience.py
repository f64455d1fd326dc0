"""Calls of torch.distributed that would wait forever for a process that hangs."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

T = TypeVar("T")

TIMED_OUT = "timed out"
"""The message of the error when a process shows no progress."""


def answered(seconds: float, call: Callable[[], T]) -> T:
    """What a call returns; it may be interrupted by Ctrl-C.

    Args:
        seconds: that it may take.
        call: goes on in a thread of its own if it takes longer.

    Raises:
        RuntimeError: it took longer; or what it raised.
    """
    answer = SimpleQueue[Any]()

    def ask() -> None:
        try:
            answer.put((call(), None))
        except Exception as error:
            answer.put((None, error))

    Thread(target=ask, daemon=True).start()
    try:
        value, error = answer.get(timeout=seconds)
    except Empty:
        raise RuntimeError(TIMED_OUT) from None
    if error is not None:
        raise error
    return value


class PatientStore:
    """A store whose calls end when the process that keeps it hangs; after an error none is made any more.

    Args:
        store: of torch.distributed.
        limit: seconds that a call may take.
    """

    def __init__(self, store: Store, limit: float) -> None:
        self.limit = limit
        self._store = store
        self._gone: RuntimeError | None = None

    def set(self, key: str, value: str) -> None:
        """Set a value."""
        self._ask(lambda: self._store.set(key, value))

    def add(self, key: str, amount: int = 1) -> int:
        """Add to a number, which is returned."""
        return self._ask(lambda: self._store.add(key, amount))

    def read(self, key: str) -> str:
        """A value; empty if there is none."""
        return self._ask(lambda: self._store.get(key).decode() if self._store.check([key]) else "")

    def forget(self) -> None:
        """Make no more calls; those that are tried raise an error."""
        self._gone = RuntimeError("the store is not that of these processes")

    def _ask(self, call: Callable[[], T]) -> T:
        if self._gone is not None:
            raise self._gone
        try:
            return answered(self.limit, call)
        except RuntimeError as error:
            self._gone = error
            raise
