"""The right to write to a folder, which one process at a time has."""

import json
import os
import socket
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from idc.errors import InputError, Notice

LOCK = ".lock"
HOLDER = ".lock.json"
"""Who holds it, for messages."""


class Lock:
    """A folder's lock; the folder need not be there before it is taken."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK, timeout=0)

    def take(self) -> None:
        """Have the lock, if this process does not have it already.

        Raises:
            InputError: another process has it, or the folder cannot be written to.
        """
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire()
        except Timeout:
            raise InputError(
                f"{self._folder} is being written to by {self.holder()}; wait for it, stop it, or choose "
                "another folder"
            ) from None
        except OSError as error:
            raise InputError(
                f"cannot write to {self._folder} ({error.strerror}); choose another folder"
            ) from None
        if self._path.exists():
            warnings.warn(f"{self.holder()} ended without giving up {self._folder}; it was killed", Notice, 2)
        # Only for messages, and on a full disk there is no room for it.
        with suppress(OSError):
            self._path.write_text(json.dumps(_ourselves()), encoding="utf-8")

    def take_anew(self) -> None:
        """Have the lock of the folder that is now where the one was whose lock this process had."""
        self._lock.release()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.take()

    def give_up(self) -> None:
        """Let others have it."""
        if not self._lock.is_locked:
            return
        if self.is_ours():
            for name in (HOLDER, LOCK):
                with suppress(OSError):
                    (self._folder / name).unlink()
        self._lock.release()

    def is_ours(self) -> bool:
        """Whether the folder says that this process has it."""
        return self._facts() == _ourselves()

    def is_held(self) -> bool:
        """Whether the folder says that a process has it."""
        return self._path.exists()

    def holder(self) -> str:
        """The process that has it, for messages."""
        facts = self._facts()
        return f"process {facts.get('pid')} on {facts.get('host')}" if facts else "another process"

    @property
    def _path(self) -> Path:
        return self._folder / HOLDER

    def _facts(self) -> dict[str, Any]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}


def _ourselves() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname()}
