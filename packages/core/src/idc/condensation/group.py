"""Classes that are condensed together: the loop over their inner steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from torch import Tensor

from idc.condensation.classes_at_once import classes_that_fit, memory_of_a_match
from idc.condensation.divergence import DivergenceError, diverged, not_finite
from idc.condensation.gradient_norms import GradientNorms, gradient_norms
from idc.condensation.inner_step import Distances, Matching
from idc.condensation.matched_networks import MatchedNetworks
from idc.condensation.pretraining import pretrain
from idc.condensation.share import Share, of_classes
from idc.condensation.state import State
from idc.condensation.sweeps import swept
from idc.condensation.trial import prepare, try_stages
from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.kinds.optimizer import AVERAGE
from idc.network.network import Network
from idc.runtime.execution import Execution
from idc.runtime.processes import Processes
from idc.seeding import Streams
from idc.shapes import Codes, Indices, OptimizerState, Tensors
from idc.synset.codes import decode_class, optimised
from idc.training.preprocessing import Preprocessing


class InitialCodes:
    """The codes that a pipeline starts from; made once for the same images."""

    def __init__(self, plan: Pipeline) -> None:
        self._plan = plan
        self._made: tuple[Split, Codes] | None = None

    def __call__(self, real: Split) -> Codes:
        """The codes of all classes of these images."""
        if self._made is None or self._made[0] is not real:
            plan, streams = self._plan, Streams(self._plan.seed, ("init",))
            codes = plan.init.codes(plan.decoder, plan.images_per_class, real, plan.model, streams)
            self._made = real, codes
        return self._made[1]


class Group:
    """Classes that are condensed together: their codes, the optimizer's state, and its progress.

    Args:
        plan: the pipeline.
        real: the images that the networks see, on the device to compute on.
        labels: numbers of the group's classes, of those in ``real``.
        initial: of the run.
        streams: the group's own.
        processes: that compute the run together.
        classes_at_once: as given to `condense`.
        synthetic: decodes the current synthetic images of all classes in ``real``.
        name: that messages begin with.
    """

    def __init__(
        self,
        plan: Pipeline,
        real: Split,
        labels: Sequence[int],
        initial: "InitialCodes",
        streams: Streams,
        processes: Processes,
        classes_at_once: int | Literal["auto"],
        synthetic: Callable[[], Split],
        name: str = "",
    ) -> None:
        self.pipeline = plan
        self.real = real
        self.steps_done = 0
        """Inner steps of the group that are done."""
        self._streams, self._name = streams, name
        self.synthetic = synthetic
        """Decodes the current synthetic images of all classes in `real`."""
        preprocessing = Preprocessing(real.spec, plan.augment, real.device)
        execution = Execution.on(real.device, plan.precision, plan.compile)
        with execution.active():
            self.trial_network, self.trial_prepared = try_stages(
                plan, real, preprocessing, streams, real.device
            )
            """An untrained network, and what `Objective.prepare` returned for a few images of each class."""
            codes = of_classes(initial(real), labels, plan.decoder)
        decoded = len(decode_class(plan.decoder, codes, 0, plan.images_per_class, real.spec))
        self.matching = Matching(plan, real, preprocessing, streams, decoded, labels)
        """The matches of an inner step."""
        images = [sum(size) for size in self.matching.sizes.values()]
        self.share = Share(processes, list(labels), processes.blocks(images), plan.decoder)
        """Which process matches which classes."""
        self.matching.rows = {label: row for row, label in enumerate(self.share.own)}
        self.codes: Codes = self.share.part(codes)
        """Of the classes that this process matches: all of the group's if it is alone."""
        self._networks = MatchedNetworks(plan, real, streams, processes, self.trial_network)
        operations = self.matching.operations(self.trial_network)
        self.execution = execution.decided(len(self) * operations)
        """How it is computed; with ``auto``, steps are compiled if the group's take enough work."""
        trial = (self.trial_network, self.codes, self.trial_prepared)
        self.memory = memory_of_a_match(self.matching, *trial, self.execution, len(self), classes_at_once)
        """Peak bytes of matching one class in eager mode, besides the data; None if small or unknown."""
        self.matching.at_once = classes_that_fit(self.memory, classes_at_once, real.device)
        self.release()

    def __len__(self) -> int:
        """Inner steps of the group."""
        return self.pipeline.iterations * self.pipeline.inner_steps

    @property
    def state(self) -> State:
        """The state between two steps, counted in the group, with the codes that this process matches."""
        iteration, begun = divmod(self.steps_done, self.pipeline.inner_steps)
        network = self._network if begun or self.pipeline.networks.reuses_network(iteration) else None
        held = self._refreshed, self._prepared, self._remembered
        return State(self.steps_done, self.codes, self.optimizer_state, network, *held)

    @property
    def result(self) -> Codes:
        """What the steps so far result in: the codes, or their average."""
        return {**self.codes, **self.optimizer_state.get(AVERAGE, {})}

    def continue_from(self, state: State) -> None:
        """Set the group to a state of this process."""
        self.steps_done, self.codes, self.optimizer_state = state.step, state.codes, state.optimizer
        self._network, self._refreshed, self._prepared = state.network, state.refreshed, state.prepared
        self._remembered, self._finite, self._suspects = state.remembered, state, None

    def finish(self, codes: Codes) -> None:
        """Set the group to its end.

        Args:
            codes: of the classes that this process matches.
        """
        self.steps_done, self.codes = len(self), codes
        self.release()

    def release(self) -> None:
        """Free what only further steps need, as before the first one."""
        self.optimizer_state: OptimizerState = {}
        self._network: Network | None = None
        self._prepared: Tensors | None = None
        self._refreshed, self._remembered = dict[int, Indices](), dict[int, Tensors]()
        self._suspects: Tensor | None = None
        self._finite: State | None = None

    def pretrain(self, progress: Callable[[float], None] = lambda fraction: None) -> str | None:
        """Train the networks that are missing, if any; ``progress`` gets the fraction done, 0 to 1.

        Returns:
            What was trained; None: nothing.
        """
        unfinished = self.steps_done < len(self)
        return pretrain(
            self.pipeline,
            self.real,
            progress,
            unfinished=unfinished,
            seen=[self.real],
            processes=self.share.processes,
        )

    def steps(self) -> Iterator[Distances]:
        """Make the inner steps that remain; yields the distance of each of the group's classes."""
        plan = self.pipeline
        self.pretrain()
        if self.steps_done == len(self):
            return
        if self._prepared is None:
            self._prepared = prepare(plan, self.real, self._streams)
        if self._finite is None:
            self._finite = self.state
        networks = self._networks.following(self.steps_done, self._network, self.synthetic)
        while self.steps_done < len(self):
            if self.steps_done % plan.inner_steps == 0:
                self.codes = plan.decoder.project(self.codes, self.real.spec)
            network, refreshed = next(networks), self._refreshed
            if plan.sampler.refreshes(self.steps_done):
                refreshed = self.matching.draws.refresh(network, self.steps_done, self.share.own)
            distances = self.inner_step(network, self.steps_done, refreshed)
            # Before the yield, so that the caller sees the step as done.
            self._network, self._refreshed, self.steps_done = network, refreshed, self.steps_done + 1
            bad = not_finite(distances, self.codes, self.share)
            self._suspects = bad if self._suspects is None else self._suspects | bad
            # Not after each step on a GPU, because to look at numbers synchronises it.
            if self.real.device.type == "cpu" or self.steps_done % plan.inner_steps == 0:
                self.refuse_infinite()
            yield distances

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
            step: inner steps of the group that are done; determines the draws.
            refreshed: what `Sampler.refresh` returned last, by class.

        Returns:
            The distance of each of the group's classes, summed over the sweeps.
        """
        if not self.optimizer_state:
            moving = optimised(self.pipeline.decoder, self.codes)
            self.optimizer_state = self.pipeline.optimizer.begin(moving)
        before = replace(self.state, step=step, refreshed=dict(refreshed))
        with self.execution.active():
            now, distances = swept(self.pipeline, self.real.spec, self.matching, self.share, network, before)
        # In one assignment, so that an interruption does not separate the codes from their state.
        self.codes, self.optimizer_state, self._remembered = now.codes, now.optimizer, now.remembered
        return distances

    def refuse_infinite(self) -> None:
        """Refuse numbers of the steps since the last call that are not finite; all processes call it.

        Raises:
            DivergenceError: there are some; the group is set back to where they were finite.
        """
        plan, suspects, last = self.pipeline, self._suspects, self._finite
        if suspects is None:
            return
        if last is not None and bool(suspects.any()):
            name = self.real.spec.classes[self.share.labels[int(suspects.nonzero()[0])]]
            message = diverged(plan, name, self._network, self.steps_done)
            self.continue_from(last)
            reset = f"The codes were reset to step {self.steps_done}, where they were finite"
            raise DivergenceError(f"{self._name}{message}. {reset}")
        self._finite, self._suspects = self.state, None
