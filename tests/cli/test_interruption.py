"""Signals outside of the inner steps."""

import os
import signal
from collections.abc import Iterator

import pytest

from idc_cli.interruption import SIGNALS, interruptible


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """A shell starts what runs in the background with SIGINT ignored, which stays so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_interrupts(number: int) -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        os.kill(os.getpid(), number)


def interrupted_import() -> None:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("cannot load module more than once per process") from None


def test_an_import_that_fails_because_it_is_interrupted_is_an_interruption() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        interrupted_import()


def test_any_other_import_that_fails_is_not() -> None:
    with pytest.raises(ImportError), interruptible():
        raise ImportError("no module")
