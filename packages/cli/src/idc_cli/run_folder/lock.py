"""The lock of a folder, which one process at a time holds while it writes."""

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
"""Names the process that holds the lock, for messages."""


class Lock:
    """The lock of a folder, which need not exist before the lock is acquired."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / LOCK, timeout=0)
        self._acquired: os.stat_result | None = None
        """Of the file, which is another one after the folder was removed and created again."""

    def acquire(self) -> None:
        """Acquire the lock, unless this object holds it already.

        Raises:
            InputError: another process holds it, or the folder cannot be written to.
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
        if self._read_holder():
            warnings.warn(f"{self.holder()} was killed while it held the lock of {self._folder}", Notice, 2)
        self._acquired = self._file_now()
        # Only for messages, and on a full disk there is no room for it.
        with suppress(OSError):
            facts = {"pid": os.getpid(), "host": socket.gethostname()}
            self._holder_file.write_text(json.dumps(facts), encoding="utf-8")

    def reacquire(self) -> None:
        """Acquire the lock of a folder that was removed while this object held its lock; create the folder.

        Raises:
            InputError: as for `acquire`.
        """
        self._lock.release()
        self._folder.mkdir(parents=True, exist_ok=True)
        self.acquire()

    def release(self) -> None:
        """Release the lock, if this object holds it."""
        if not self._lock.is_locked:
            return
        if self.is_ours():
            for name in (HOLDER, LOCK):
                with suppress(OSError):
                    (self._folder / name).unlink()
        self._lock.release()

    def is_ours(self) -> bool:
        """Whether the folder is still the one whose lock this object has acquired."""
        now = self._file_now()
        return now is not None and self._acquired is not None and os.path.samestat(now, self._acquired)

    def is_held(self) -> bool:
        """Whether the folder names a holder."""
        return self._holder_file.exists()

    def holder(self) -> str:
        """The process that holds the lock, for messages."""
        facts = self._read_holder()
        return f"process {facts.get('pid')} on {facts.get('host')}" if facts else "another process"

    def _file_now(self) -> os.stat_result | None:
        try:
            return (self._folder / LOCK).stat()
        except OSError:
            return None

    @property
    def _holder_file(self) -> Path:
        return self._folder / HOLDER

    def _read_holder(self) -> dict[str, Any]:
        try:
            facts = json.loads(self._holder_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) else {}
