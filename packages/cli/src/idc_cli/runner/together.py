"""The processes that a command's work is divided over."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch

from idc.config.compatibility import differences
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import InputError, Notice
from idc.runtime.processes import Processes
from idc.runtime.rendezvous import joined
from idc.synset.provenance import versions


@contextmanager
def together(minutes: float) -> Iterator[Processes]:
    """The processes that run this command; one alone unless several were started.

    Args:
        minutes: to wait for a process that shows no progress.

    Raises:
        InputError: the processes cannot be connected.
    """
    with joined(timedelta(minutes=minutes)) as processes, warnings.catch_warnings():
        if not processes.first:
            warnings.simplefilter("ignore", Notice)
        yield processes


def refuse_differences(
    processes: Processes, pipeline: Pipeline, data: RealData | None = None, **more: str
) -> None:
    """Refuse to work together with processes that have other files, versions or settings.

    Args:
        processes: of the command.
        pipeline: as this process has read it.
        data: as this process has loaded them.
        more: anything else that must be the same.

    Raises:
        InputError: names the processes and what differs.
    """
    if processes.count == 1:
        return
    own = {"pipeline": pipeline.table(), "versions": versions(), "threads": torch.get_num_threads(), **more}
    if data is not None:
        own["fingerprint"] = {"train": data.train.fingerprint(), "test": data.test.fingerprint()}
    names, all_facts = processes.told(processes.name()), processes.told(own)
    for name, facts in zip(names, all_facts, strict=True):
        for key, (theirs, ours) in differences(facts, all_facts[0]):
            raise InputError(
                f"{name} has another {key} than the first: {theirs}, not {ours}; give all processes the same "
                "files, versions and OMP_NUM_THREADS"
            )
