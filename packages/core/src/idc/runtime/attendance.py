"""Which of several processes still work, and which one says what went wrong.

Over a store of torch.distributed, whose own exchanges say neither.
"""

import json
import os
import socket
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

from idc.errors import InputError, OtherProcessError
from idc.runtime.patience import TIMED_OUT, PatientStore
from idc.runtime.place import Place, named

LONGEST_PAUSE, LOOK_INTERVAL = 0.01, 0.5
"""Seconds between two looks at whether all have arrived, and at whether one has failed."""

ROLL_CALL = 4 * LOOK_INTERVAL
"""Seconds in which all that wait answer, after an exchange has failed."""

FIRST_SAYS_IT, LAST_WORDS = 1.0, 5.0
"""Seconds for which the others leave it to the first process to report an error, and which a process that
ends gives to the store."""

BEAT_INTERVAL = 10.0
"""Most seconds between two signs of progress."""


class Attendance:
    """What processes tell each other besides what they compute: that they work, wait, fail or leave.

    Args:
        place: of this process.
        store: that all have joined.
        timeout: how long to wait for a process that shows no progress.
    """

    def __init__(self, place: Place, store: Store, timeout: timedelta) -> None:
        self._place = place
        self._seconds = timeout.total_seconds()
        self._store = PatientStore(store, self._seconds)
        self._neighbours: dict[int, psutil.Process | None] = {}
        self._meetings = 0
        self._beaten = 0.0

    def come(self) -> None:
        """Wait until all processes have come.

        Raises:
            InputError: another process has come as this one, or some do not come.
            OtherProcessError: another process has failed.
            RuntimeError: the store cannot be reached.
        """
        rank, ranks, _ = self._place
        if self._store.add(f"come/{rank}") > 1:
            # It may be that of another run, which must not be told that it failed.
            self._store.forget()
            raise InputError(
                f"RANK: another process with RANK={rank} has come already; give each a rank of its own, and "
                "each run another MASTER_PORT"
            )
        self._store.add("came")
        own = _this_process()
        self._store.set(f"process/{rank}", json.dumps(own))
        until, absent = time.monotonic() + self._seconds, list(range(ranks))
        while absent := [each for each in absent if not self._store.read(f"process/{each}")]:
            self._refuse_failed()
            if time.monotonic() > until:
                raise InputError(
                    f"{named(absent, ranks)} did not come within {self._seconds / 60:g} minutes; start all "
                    "with the same MASTER_ADDR and MASTER_PORT, or set a longer --timeout"
                )
            time.sleep(LONGEST_PAUSE)
        every = {each: json.loads(self._store.read(f"process/{each}")) for each in range(ranks)}
        self._neighbours = {
            each: _found(one["pid"]) for each, one in every.items() if one["machine"] == own["machine"]
        }

    def beat(self) -> None:
        """Tell those that wait in `meet` that this process still works."""
        now = time.monotonic()
        if now - self._beaten >= min(BEAT_INTERVAL, self._seconds / 4):
            self._beaten = now
            self._store.set(f"beat/{self._place.rank}", repr(now))

    def meet(self) -> None:
        """Wait for all processes, as long as those that are missing `beat`.

        Raises:
            OtherProcessError: another process has failed.
            RuntimeError: one does not answer.
        """
        self._meetings += 1
        key, ranks = f"meet/{self._meetings}", range(self._place.ranks)
        if self._store.add(key) == self._place.ranks:
            self._store.set(f"{key}/all", "1")
            return
        beats, changed, looked, pause = "", time.monotonic(), time.monotonic(), 1e-4
        while not self._store.read(f"{key}/all"):
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if time.monotonic() - looked < LOOK_INTERVAL:
                continue
            self._refuse_failed()
            self.answer()
            if self._ended():
                raise RuntimeError("it did not come back")
            looked, now = time.monotonic(), str([self._store.read(f"beat/{each}") for each in ranks])
            if now != beats:
                beats, changed = now, time.monotonic()
            elif time.monotonic() - changed > self._seconds:
                raise RuntimeError(TIMED_OUT)

    def answer(self) -> None:
        """End with the others if one has called the roll.

        A failure that is told is no reason: what its process has sent before may still be on the way.

        Raises:
            RuntimeError: one has.
        """
        if reason := self._store.read("roll call"):
            raise RuntimeError(reason)

    def absent(self, reason: str) -> list[int]:
        """Ranks that have ended, or else do not answer a roll call; all that wait for an exchange do.

        Args:
            reason: why it is called.

        Raises:
            OtherProcessError: another process has failed, and says why.
            RuntimeError: the store cannot be reached.
        """
        self._store.set(f"here/{self._place.rank}", "1")
        self._store.set("roll call", reason)
        if ended := self._ended():
            self._refuse_failed()
            return ended
        until, missing = time.monotonic() + ROLL_CALL, list(range(self._place.ranks))
        while missing and time.monotonic() < until:
            self._refuse_failed()
            missing = [rank for rank in missing if not self._store.read(f"here/{rank}")]
            time.sleep(LONGEST_PAUSE)
        return missing

    def failed(self, message: str) -> bool:
        """Tell the others why this process ends, unless another has done so.

        Args:
            message: the error's.

        Returns:
            Whether this process is the one that should say it. All find the same error in bad input.
        """
        rank, _, on_machine = self._place
        self._store.limit = LAST_WORDS
        try:
            until = time.monotonic() + (FIRST_SAYS_IT if rank else 0.0)
            while time.monotonic() < until and not self._store.read("failure"):
                time.sleep(LONGEST_PAUSE)
            if self._store.add("failures") > 1:
                return False
            self._store.set("failure", message)
        except RuntimeError:
            # The store has gone with the first process, so that nothing can be agreed on.
            return rank == 1 or not on_machine
        return True

    def leave(self, *, last: bool) -> None:
        """Tell the others that this process does not need the store any more.

        Args:
            last: whether to wait until all others have left, because the store goes with this process.
        """
        self._store.limit = LAST_WORDS
        with suppress(RuntimeError):
            left = self._store.add("left")
            until = time.monotonic() + LAST_WORDS
            while last and left < self._store.add("came", 0) and time.monotonic() < until:
                time.sleep(LONGEST_PAUSE)
                left = self._store.add("left", 0)

    def _ended(self) -> list[int]:
        return [rank for rank, process in self._neighbours.items() if not _runs(process)]

    def _refuse_failed(self) -> None:
        if message := self._store.read("failure"):
            raise OtherProcessError(message)


def _this_process() -> dict[str, Any]:
    """What tells others on the same machine whether this process still runs."""
    # Numbers of processes mean something in their own name space only.
    space = str(Path("/proc/self/ns/pid").readlink()) if sys.platform == "linux" else ""
    return {"machine": [socket.gethostname(), space], "pid": os.getpid()}


def _found(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.Error:
        return None


def _runs(process: psutil.Process | None) -> bool:
    # Not by the time at which it began, which changes with the machine's clock.
    try:
        return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
