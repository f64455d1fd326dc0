"""Training what a pipeline's stages need trained before the first inner step, divided over the processes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.errors import InputError, within
from idc.kinds import Model, Pretrained
from idc.runtime.execution import Execution
from idc.runtime.processes import Processes

VISIBLE_AFTER = 60.0
"""Seconds after which a file that another machine wrote is seen at the latest, where folders are shared."""


def pretrain(
    plan: Pipeline,
    real: Split,
    progress: Callable[[float], None],
    *,
    unfinished: bool,
    seen: Sequence[Split],
    processes: Processes = Processes(),
) -> str | None:
    """Train the networks that the pipeline's condensation starts from, if any are missing.

    Args:
        plan: the pipeline.
        real: the training split.
        progress: called with the fraction done, 0 to 1.
        unfinished: whether inner steps remain; else only the labels need networks.
        seen: what the networks of each group see.
        processes: among which the networks are divided.

    Returns:
        A sentence: what was trained; None if nothing was missing.

    Raises:
        InputError: a pool does not fit, or a process does not see the files of the others.
        RunError: a network diverged, or its file cannot be written.
    """
    # As ``idc pretrain``: whether the training is compiled must not depend on the length of the run.
    with Execution.on(real.device, plan.precision, plan.compile).active():
        needed = Pretraining.of(plan, real, unfinished=unfinished, seen=seen)
        return "; ".join(needed.train(progress, processes)) if needed.missing(processes) else None


def seen_by_groups(plan: Pipeline, real: Split) -> list[Split]:
    """What the networks see that groups of classes are matched with, each split once.

    Args:
        plan: the pipeline.
        real: the training split.
    """
    if plan.groups is None:
        return [real]
    return [real.of_classes(labels) for labels in dict.fromkeys(map(tuple, plan.groups.seen(real.spec)))]


@dataclass(frozen=True)
class Declared:
    """A pool that a stage declares."""

    place: str
    """The table of the pipeline that declares it."""
    pool: Pretrained
    real: Split
    """The images that its networks are trained on."""


@dataclass(frozen=True)
class PoolNetwork:
    """A network that must be there before a run begins."""

    of: Declared
    """Its pool."""
    number: int
    """In its pool, from 0."""
    file: Path


@dataclass(frozen=True)
class Pretraining:
    """The networks that stages need trained, each once, whoever declares them.

    Precision is part of what determines them, so that all methods are for within an active `Execution`.
    """

    declared: tuple[Declared, ...]
    model: Model

    @classmethod
    def of(
        cls, plan: Pipeline, real: Split, *, unfinished: bool = True, seen: Sequence[Split] | None = None
    ) -> "Pretraining":
        """What the stages of a pipeline declare.

        Args:
            plan: the pipeline.
            real: the training split.
            unfinished: whether inner steps remain; else only the labels need networks.
            seen: what the networks see that groups of classes are matched with; by default of all groups.
        """
        found: list[Declared] = []
        if unfinished and (pools := plan.networks.pools()):
            of_groups = seen_by_groups(plan, real) if seen is None else seen
            found += [Declared("networks", pool, each) for each in of_groups for pool in pools]
        found += [Declared("labels", pool, real) for pool in plan.labels.pools()]
        return cls(tuple(found), plan.model)

    def refuse_unfit(self) -> None:
        """Refuse pools that do not fit the data, and different ones in the same folder.

        Raises:
            InputError: which field or file, and how to mend it.
        """
        owners: dict[Path, tuple[str, str]] = {}
        for each in self.declared:
            with within(each.place):
                each.pool.refuse_unfit(self.model, each.real)
                fingerprint = each.pool.fingerprint(self.model, each.real)
                for file in each.pool.files(self.model, each.real):
                    other, determined_by = owners.setdefault(file, (each.place, fingerprint))
                    if determined_by != fingerprint:
                        raise InputError(
                            f"pool.path: {file.parent} is also the folder of another pool, that of "
                            f"[{other}]; set another folder"
                        )

    def networks(self) -> list[PoolNetwork]:
        """The networks of all pools, in order; those that several pools share only once."""
        found: dict[Path, PoolNetwork] = {}
        for each in self.declared:
            for number, file in enumerate(each.pool.files(self.model, each.real)):
                found.setdefault(file, PoolNetwork(each, number, file))
        return list(found.values())

    def missing(self, processes: Processes = Processes()) -> list[PoolNetwork]:
        """Those whose file one of the processes does not see; the same list in all of them."""
        networks = self.networks()
        own = [number for number, network in enumerate(networks) if not network.file.is_file()]
        # Others may write files meanwhile, so that not all processes see the same.
        everywhere = {number for numbers in processes.told(own) for number in numbers}
        return [networks[number] for number in sorted(everywhere)]

    def untrained(self) -> list[tuple[Declared, int]]:
        """Images that the missing networks are still to be trained on, for each recipe that differs."""
        found: dict[str, tuple[Declared, int]] = {}
        for network in self.missing():
            recipe = network.of.pool.fingerprint(self.model, network.of.real)
            _, images = found.get(recipe, (network.of, 0))
            found[recipe] = network.of, images + network.of.pool.training_images(network.of.real)
        return list(found.values())

    def train(
        self,
        progress: Callable[[float], None],
        processes: Processes = Processes(),
    ) -> list[str]:
        """Train and write the networks that are missing, as many at a time as there are processes.

        Each is written when it is finished, so an interruption loses at most one in each process. Other runs
        may make the same networks at the same time.

        Args:
            progress: called with the fraction done, 0 to 1.
            processes: among which the networks are divided.

        Returns:
            A sentence for each folder: how many networks were trained, and how many were there.

        Raises:
            InputError: a pool does not fit, or a process does not see the files of the others.
            RunError: a network diverged, or its file cannot be written.
        """
        self.refuse_unfit()
        missing, trained = self.missing(processes), set[Path]()
        images = [network.of.pool.training_images(network.of.real) for network in missing]
        for first in range(0, len(missing), processes.count):
            until = first + processes.count
            done, after = (sum(images[:end]) / sum(images) for end in (first, until))

            def train(network: PoolNetwork, done: float = done, after: float = after) -> bool:
                def advance(part: float) -> None:
                    processes.beat()
                    progress(done + part * (after - done))

                return self._trained(network, advance)

            some = missing[first:until]
            outcomes = processes.mapped(train, some)
            trained |= {network.file for network, own in zip(some, outcomes, strict=True) if own}
            _refuse_unseen(some, processes)
            progress(after)
        return _said(self.networks(), trained)

    def _trained(self, network: PoolNetwork, progress: Callable[[float], None]) -> bool:
        """Train a network unless another run has done so in the meantime; whether this process did."""
        if network.file.is_file():
            return False
        with within(network.of.place):
            network.of.pool.train(network.number, self.model, network.of.real, progress)
        return True


def _refuse_unseen(networks: Sequence[PoolNetwork], processes: Processes) -> None:
    """Refuse processes that do not see files that others wrote.

    Raises:
        InputError: which process and file; the same in all processes.
    """
    if processes.count == 1:
        return
    until, unseen = time.monotonic() + VISIBLE_AFTER, None
    for network in networks:
        while not network.file.is_file() and unseen is None:
            if time.monotonic() > until:
                unseen = network.of.place, f"{processes.name()} does not see {network.file}"
            time.sleep(0.05)
    for told in filter(None, processes.told(unseen)):
        place, what = told
        with within(place):
            raise InputError(
                f"pool.path: {what}, which another process wrote; set IDC_CACHE, or pool.path, to a folder "
                "that all machines share"
            )


def _said(networks: Sequence[PoolNetwork], trained: set[Path]) -> list[str]:
    said: list[str] = []
    for folder in dict.fromkeys(network.file.parent for network in networks):
        files = [network.file for network in networks if network.file.parent == folder]
        new = sum(file in trained for file in files)
        said.append(f"pool in {folder}: networks trained: {new}, there already: {len(files) - new}")
    return said
