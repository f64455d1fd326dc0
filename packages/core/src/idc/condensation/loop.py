"""The condensation loop: an iterator that the caller drives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from idc.condensation.classes_at_once import classes_that_fit, memory_of_a_match
from idc.condensation.divergence import DivergenceError, diverged, not_finite
from idc.condensation.gradient_norms import GradientNorms, gradient_norms
from idc.condensation.inner_step import Distances, Matching
from idc.condensation.matched_networks import MatchedNetworks
from idc.condensation.pretraining import pretrain
from idc.condensation.share import Share
from idc.condensation.soft_labels import with_soft_labels
from idc.condensation.state import State, Step, collected, part
from idc.condensation.sweeps import swept
from idc.condensation.trial import prepare, try_stages
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.network.network import Network
from idc.runtime import device as devices
from idc.runtime.execution import Execution
from idc.runtime.processes import Processes
from idc.seeding import Streams
from idc.shapes import Codes, Indices, Tensors
from idc.synset.codes import decode, decode_class, optimised
from idc.synset.provenance import Computed
from idc.synset.synset import Synset
from idc.training.preprocessing import Preprocessing


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
            default this one alone. The result does not depend on how many there are.

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
        devices.choose(device),
        classes_at_once,
        processes,
    )


class Condensation:
    """A run: the codes, the optimizer's state, and its progress."""

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
        self.steps_done = 0
        """Inner steps done since the beginning of the run."""
        self._streams = Streams(pipeline.seed)
        self._preprocessing = Preprocessing(data.spec, pipeline.augment, device)
        self.execution = Execution.on(device, pipeline.precision, pipeline.compile)
        """How it is computed; with ``auto``, steps are compiled if enough work remains."""
        with self.execution.active():
            self.trial_network, self.trial_prepared = try_stages(
                pipeline, self.data, self._preprocessing, self._streams, device
            )
            """An untrained network, and what `Objective.prepare` returned for a few images of each class."""
            whole = pipeline.init.codes(
                pipeline.decoder,
                pipeline.images_per_class,
                self.data.train,
                pipeline.model,
                self._streams.child("init"),
            )
        self._prepared: Tensors | None = None
        self._refreshed, self._remembered = dict[int, Indices](), dict[int, Tensors]()
        decoded = len(decode_class(pipeline.decoder, whole, 0, pipeline.images_per_class, data.spec))
        self.matching = Matching(pipeline, self.data.train, self._preprocessing, self._streams, decoded)
        """The matches of an inner step."""
        self.share = Share(processes, processes.blocks(list(map(sum, self.matching.sizes))), pipeline.decoder)
        """Which process matches which classes."""
        self.matching.classes = self.share.own
        self.codes: Codes = self.share.part(whole)
        """Of the classes that this process matches: all if it is alone."""
        self.optimizer_state = pipeline.optimizer.initial_state(optimised(pipeline.decoder, self.codes))
        self._networks = MatchedNetworks(pipeline, self.data.train, self._streams, processes)
        operations = self.matching.operations(self.trial_network)
        self.execution = self.execution.decided(len(self) * operations)
        trial = (self.trial_network, self.codes, self.trial_prepared)
        self.memory = memory_of_a_match(self.matching, *trial, self.execution, len(self), classes_at_once)
        """Peak bytes of matching one class in eager mode, besides the data; None if small or unknown."""
        self.matching.at_once = classes_that_fit(self.memory, classes_at_once, device)
        self._network: Network | None = None
        self._suspects: Tensor | None = None
        self._finite = self.state
        self._steps = self.execution.during(self._run())

    @property
    def computed(self) -> Computed:
        """How the steps are computed, for the synset's header."""
        return Computed(
            device=str(self.device),
            threads=torch.get_num_threads(),
            precision=self.execution.precision,
            compiled=self.execution.compiled,
            classes_at_once=self.matching.at_once,
        )

    @property
    def iteration(self) -> int:
        """Outer iterations done."""
        return self.steps_done // self.pipeline.inner_steps

    @property
    def state(self) -> State:
        """The state between two steps, with the codes of the classes that this process matches."""
        iteration, begun = divmod(self.steps_done, self.pipeline.inner_steps)
        network = self._network if begun or self.pipeline.networks.reuses_network(iteration) else None
        held = self._refreshed, self._prepared, self._remembered
        return State(self.steps_done, self.codes, self.optimizer_state, network, *held)

    def collected_state(self) -> State | None:
        """The state to `restore`, in the first process; None in the others. All call it between two steps."""
        return collected(self.state, self.share)

    def restore(self, state: State) -> None:
        """Continue from a state of a condensation of the same pipeline and data, with all classes."""
        self._continue_from(part(state, self.share))

    def _continue_from(self, state: State) -> None:
        self.steps_done, self.codes, self.optimizer_state = state.step, state.codes, state.optimizer
        self._network, self._refreshed, self._prepared = state.network, state.refreshed, state.prepared
        self._remembered, self._finite, self._suspects = state.remembered, state, None
        self._steps = self.execution.during(self._run())

    def __len__(self) -> int:
        """Inner steps of the whole run."""
        return self.pipeline.iterations * self.pipeline.inner_steps

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
            self._steps = self.execution.during(self._run())
            raise

    def pretrain(self, progress: Callable[[float], None] = lambda fraction: None) -> str | None:
        """Train the networks that the run starts from, if any are missing; else the first step does.

        ``progress`` gets the fraction done, 0 to 1. Returned is what was trained; None: nothing.
        """
        plan, real, unfinished = self.pipeline, self.data.train, self.steps_done < len(self)
        return pretrain(plan, real, progress, unfinished=unfinished, processes=self.share.processes)

    def _run(self) -> Iterator[Step]:
        plan, train = self.pipeline, self.data.train
        self.pretrain()
        if self._prepared is None and self.steps_done < len(self):
            self._prepared = prepare(plan, train, self._streams)
        networks = self._networks.following(self.steps_done, self._network, self.synthetic)
        while self.steps_done < len(self):
            iteration, inner_step = divmod(self.steps_done, plan.inner_steps)
            if inner_step == 0:
                self.codes = plan.decoder.project(self.codes, self.data.spec)
            network, refreshed = next(networks), self._refreshed
            if plan.sampler.refreshes(self.steps_done):
                refreshed = self.matching.draws.refresh(network, self.steps_done, self.share.own)
            distances = self.inner_step(network, self.steps_done, refreshed)
            # Before the yield, so that the caller sees the step as done.
            self._network, self._refreshed, self.steps_done = network, refreshed, self.steps_done + 1
            self._refuse_infinite(distances)
            yield Step(iteration, inner_step, distances.mean())

    def synset(
        self, seconds: float | None = None, commit: str | None = None, *, labelled: bool = True
    ) -> Synset:
        """The current codes as a synset, projected onto the value range and as stored, on the CPU.

        If there are several processes, all call it, and all get the synset.

        Args:
            seconds: wall-clock seconds of the condensation, for the header.
            commit: git commit of the working directory, for the header.
            labelled: whether `Pipeline.labels` adds its soft labels, which may train networks first.
        """
        decoder = self.pipeline.decoder
        # Before the labels, which belong to the images that are loaded.
        codes = decoder.for_storage(decoder.project(self.share.whole(self.codes), self.data.spec))
        if labelled and self.pipeline.labels.soft:
            codes = with_soft_labels(self.pipeline, codes, self.data.train, self.share.processes)
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

    def gradient_norms(self) -> GradientNorms | None:
        """Norms of the network's gradients on the last inner step's images; None before the first."""
        if self._network is None:
            return None
        with self.execution.eager().active():
            return gradient_norms(self.matching, self.share, self._network, self.state)

    def inner_step(
        self, network: Network, step: int, refreshed: Mapping[int, Indices] = MappingProxyType({})
    ) -> Distances:
        """Match every class and update the codes, once for each of the objective's sweeps.

        Args:
            network: the network being matched.
            step: inner steps since the beginning of the run; determines the draws.
            refreshed: what `Sampler.refresh` returned last, by class.

        Returns:
            The distance of each class, summed over the sweeps.
        """
        before = replace(self.state, step=step, refreshed=dict(refreshed))
        with self.execution.active():
            now, distances = swept(self.pipeline, self.data.spec, self.matching, self.share, network, before)
        # In one assignment, so that an interruption does not separate the codes from their state.
        self.codes, self.optimizer_state, self._remembered = now.codes, now.optimizer, now.remembered
        return distances

    def synthetic(self) -> Split:
        """The current images as networks are trained on them between inner steps, on the device."""
        plan, spec = self.pipeline, self.data.spec
        batch = decode(plan.decoder, self.share.whole(self.codes), plan.images_per_class, spec)
        return Split(batch.images, batch.labels, spec)

    def _refuse_infinite(self, distances: Distances) -> None:
        """Stop after a step that is not finite.

        Checked only once per outer iteration on a GPU, because a check synchronises it.
        """
        plan = self.pipeline
        bad = not_finite(distances, self.codes, self.share)
        self._suspects = bad if self._suspects is None else self._suspects | bad
        if self.steps_done % plan.inner_steps and self.device.type != "cpu":
            return
        if bool(self._suspects.any()):
            message = diverged(plan, self.data.spec, self._suspects, self._network, self.steps_done)
            self._continue_from(self._finite)
            reset = f"The codes were reset to step {self.steps_done}, where they were finite"
            raise DivergenceError(f"{message}. {reset}")
        self._finite = self.state
