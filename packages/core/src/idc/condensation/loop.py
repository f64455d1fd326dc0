"""The condensation: an iterator over the inner steps of its groups of classes, which the caller drives."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from idc.condensation.divergence import DivergenceError
from idc.condensation.gradient_norms import GradientNorms
from idc.condensation.group import Group, InitialCodes
from idc.condensation.pretraining import pretrain
from idc.condensation.share import in_class_order, of_classes
from idc.condensation.soft_labels import with_soft_labels
from idc.condensation.state import State, Step, collected, part
from idc.config.groups import Groups, known_by_class
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.runtime import device as devices
from idc.runtime.processes import Processes
from idc.seeding import Streams
from idc.shapes import Codes
from idc.synset.codes import decode
from idc.synset.provenance import Computed
from idc.synset.synset import Synset


def condense(
    pipeline: Pipeline,
    data: RealData | None = None,
    *,
    root: str | Path = "data",
    device: str = "auto",
    classes_at_once: int | Literal["auto"] = 1,
    processes: Processes = Processes(),
) -> "Condensation":
    """Prepare a condensation: create the initial codes, and try every stage on a few images.

    Args:
        pipeline: the experiment.
        data: real data; loaded from ``pipeline.dataset`` by default.
        root: the folder of the dataset's files.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        classes_at_once: classes matched in one call, which needs more memory and is no faster on a CPU;
            ``auto`` for as many as fit into a GPU's free memory.
        processes: those that compute the run together, each of which calls this and makes the same steps; by
            default this one alone. With one class at once, the result does not depend on how many there are.

    Returns:
        An iterator over `Step`: every ``next`` makes one inner step, and a new loop continues where the last
        one stopped. `Condensation.synset` can be called at any time.

    Raises:
        InputError: the pipeline does not fit the data, the device is not available, or ``classes_at_once``
            is less than 1.
    """
    if classes_at_once != "auto" and classes_at_once < 1:
        raise InputError(
            f"classes_at_once: {classes_at_once} is not allowed; it must be 'auto' or at least 1"
        )
    return Condensation(
        pipeline,
        data or pipeline.dataset.load(Path(root)),
        devices.choose(device, processes.rank_on_machine),
        classes_at_once,
        processes,
    )


class Condensation:
    """A run: its groups of classes, condensed one after the other, and its progress.

    Without `Pipeline.groups` there is one group, of all classes.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        data: RealData,
        device: torch.device,
        classes_at_once: int | Literal["auto"],
        processes: Processes,
    ) -> None:
        self.pipeline = pipeline
        self.data = data.to(device)
        self.device = device
        self.processes = processes
        groups = pipeline.groups or Groups(classes=len(data.spec.classes))
        self.labels = groups.labels(data.spec)
        """Class numbers of each group."""
        self._seen = groups.seen(data.spec)
        known = known_by_class(pipeline.groups, data.spec)
        for evaluator in pipeline.evaluate:
            evaluator.refuse_unfit(data.spec, pipeline.model)
            evaluator.refuse_knowledge(known, data.spec)
        initial = InitialCodes(pipeline)
        self.groups = [
            Group(
                pipeline,
                self.data.train.of_classes(seen),
                [seen.index(label) for label in labels],
                initial,
                Streams(pipeline.seed, () if pipeline.groups is None else ("group", number)),
                processes,
                classes_at_once,
                lambda number=number: self._synthetic(number),
                "" if pipeline.groups is None else f"group {number + 1} of {len(self.labels)}: ",
            )
            for number, (labels, seen) in enumerate(zip(self.labels, self._seen, strict=True))
        ]
        self._last = self.groups[0]
        self._steps = self._run()

    @property
    def group(self) -> Group:
        """The group that the next inner step belongs to; at the end the last one."""
        return next((each for each in self.groups if each.steps_done < len(each)), self.groups[-1])

    def group_at(self, step: int) -> Group:
        """The group that an inner step of the run belongs to; for the number of all steps the last one."""
        return self.groups[min(step // max(len(self.groups[0]), 1), len(self.groups) - 1)]

    @property
    def steps_done(self) -> int:
        """Inner steps done since the beginning of the run."""
        return sum(each.steps_done for each in self.groups)

    @property
    def iteration(self) -> int:
        """Outer iterations done, of all groups together."""
        return self.steps_done // self.pipeline.inner_steps

    @property
    def iterations(self) -> int:
        """Outer iterations of the whole run."""
        return len(self.groups) * self.pipeline.iterations

    def __len__(self) -> int:
        """Inner steps of the whole run."""
        return sum(map(len, self.groups))

    def __iter__(self) -> "Condensation":
        """Itself, so that a new loop continues where the last one stopped."""
        return self

    def __next__(self) -> Step:
        """Make one inner step.

        Raises:
            DivergenceError: a distance or the codes are not finite; the codes are the last finite ones.
            LostProcessError: another process of the run does not answer.
        """
        try:
            return next(self._steps)
        except StopIteration:
            raise
        except BaseException:
            # A generator that has raised is exhausted; a new one repeats the interrupted step.
            self._steps = self._run()
            raise

    def _run(self) -> Iterator[Step]:
        for group in self.groups:
            if group.steps_done == len(group):
                continue
            if group is not self._last:
                self._last.finish(self._last.result)
            self._last = group
            for distances in group.execution.during(group.steps()):
                iteration, inner_step = divmod(self.steps_done - 1, self.pipeline.inner_steps)
                yield Step(iteration, inner_step, distances.mean())

    def refuse_infinite(self) -> None:
        """Look at the last steps, if that was not done yet; if there are several processes, all call it.

        Raises:
            DivergenceError: a distance or the codes are not finite; the codes are the last finite ones now.
        """
        try:
            self._last.refuse_infinite()
        except DivergenceError:
            # The old one goes on from the step that was not finite.
            self._steps = self._run()
            raise

    def pretrain(self, progress: Callable[[float], None] = lambda fraction: None) -> str | None:
        """Train the networks that the run starts from, if any are missing; else the first step does.

        ``progress`` gets the fraction done, 0 to 1. Returned is what was trained; None: nothing.
        """
        left = [each.real for each in self.groups if each.steps_done < len(each)]
        plan, train, together = self.pipeline, self.data.train, self.processes
        return pretrain(plan, train, progress, unfinished=bool(left), seen=left, processes=together)

    def codes(self) -> Codes:
        """The codes of all classes, or their average, in every process; if there are several, all call it."""
        return in_class_order([each.share.whole(each.result) for each in self.groups], self.labels)

    def shapes(self, classes: int) -> Codes:
        """Tensors without data of the shapes that the codes of a number of classes have."""
        return {
            name: code.new_empty(
                code.shape if name in self.pipeline.decoder.shared else (classes, *code.shape[1:]),
                device="meta",
            )
            for name, code in self.group.codes.items()
        }

    def state(self) -> State | None:
        """The state to `restore`, in the first process; None in the others. All call it between two steps.

        Raises:
            DivergenceError: the codes were not finite; they are the last finite ones now.
        """
        self.refuse_infinite()
        current = self.group
        now = collected(current.state, current.share)
        parts = [
            now and now.codes if each is current else each.share.collected(each.result)
            for each in self.groups
        ]
        whole = in_class_order([each for each in parts if each is not None], self.labels) if now else {}
        return now and replace(now, step=self.steps_done, codes=whole)

    def restore(self, state: State) -> None:
        """Continue from a state of a condensation of the same pipeline and data."""
        self._last = self.group_at(state.step)
        current = self.groups.index(self._last)
        for number, (group, labels) in enumerate(zip(self.groups, self.labels, strict=True)):
            whole = State(0, of_classes(state.codes, labels, self.pipeline.decoder), {}, None)
            if number == current:
                whole = replace(state, step=state.step - current * len(group), codes=whole.codes)
            own = part(whole, group.share, self.device)
            if number < current:
                group.finish(own.codes)
            else:
                group.continue_from(own)
        self._steps = self._run()

    def synset(
        self, seconds: float | None = None, commit: str | None = None, *, labelled: bool = True
    ) -> Synset:
        """The current codes as a synset, projected onto the value range and as stored, on the CPU.

        If there are several processes, all call it, and all get the synset.

        Args:
            seconds: wall-clock seconds of the condensation, for the header.
            commit: git commit of the working directory, for the header.
            labelled: whether `Pipeline.labels` adds its soft labels, which may train networks first.

        Raises:
            DivergenceError: the codes were not finite; they are the last finite ones now.
        """
        self.refuse_infinite()
        decoder = self.pipeline.decoder
        # Before the labels, which belong to the images that are loaded.
        codes = decoder.for_storage(decoder.project(self.codes(), self.data.spec))
        if labelled and self.pipeline.labels.soft:
            codes = with_soft_labels(self.pipeline, codes, self.data.train, self.processes)
        return Synset.of(
            self.pipeline,
            {name: code.cpu() for name, code in codes.items()},
            self.data.spec,
            iterations=self.iteration,
            fingerprint=self.data.train.fingerprint(),
            computed=self.computed,
            seconds=seconds,
            commit=commit,
        )

    @property
    def computed(self) -> Computed:
        """How the steps are computed, for the synset's header."""
        return Computed(
            device=str(self.device),
            threads=torch.get_num_threads(),
            precision=self.group.execution.precision,
            compiled=self.group.execution.compiled,
            classes_at_once=self.group.matching.at_once,
        )

    def gradient_norms(self) -> GradientNorms | None:
        """Norms of the network's gradients on the last inner step's images; None before the first."""
        return self._last.gradient_norms()

    def _synthetic(self, number: int) -> Split:
        """The current images of the classes that a group's networks see, on the device."""
        plan, spec = self.pipeline, self.groups[number].real.spec
        # The latest codes and not their average, which is for the result alone.
        latest = in_class_order([each.share.whole(each.codes) for each in self.groups], self.labels)
        codes = of_classes(latest, self._seen[number], plan.decoder)
        batch = decode(plan.decoder, codes, plan.images_per_class, spec)
        return Split(batch.images, batch.labels, spec)
