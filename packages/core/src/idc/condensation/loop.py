"""The condensation loop: an iterator that the caller drives."""

import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from idc.condensation.divergence import diverged, not_finite
from idc.condensation.gradient_norms import GradientNorms, gradient_norms
from idc.condensation.inner_step import Distances, Matching
from idc.condensation.state import State, Step
from idc.condensation.trial import try_stages
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.errors import InputError, Notice, RunError
from idc.network import Network
from idc.runtime import device as devices
from idc.runtime import memory
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.shapes import Codes, Indices, Tensors
from idc.synset.codes import decode, decode_class
from idc.synset.provenance import Computed
from idc.synset.synset import Synset
from idc.training.preprocessing import Preprocessing

LARGE = 1e12
"""Floating-point operations of an inner step from which the memory it takes is worth knowing beforehand."""

SHARE_OF_MEMORY = 0.8
"""Of what is free on a GPU, for matching several classes at once."""


def condense(
    pipeline: Pipeline,
    data: RealData | None = None,
    *,
    root: str | Path = "data",
    device: str = "auto",
    classes_at_once: int | Literal["auto"] = 1,
) -> "Condensation":
    """Begin a condensation: make the initial codes, and try every stage on a few images.

    Args:
        pipeline: the experiment.
        data: real data; loaded from ``pipeline.dataset`` by default.
        root: the folder the dataset's files are in.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        classes_at_once: classes matched in one call, which takes more memory and on a CPU no less time;
            ``auto`` for as many as the free memory of a GPU holds.

    Returns:
        An iterator over `Step`: every ``next`` makes one inner step, also after a loop was left.
        `Condensation.synset` can be taken at any time.

    Raises:
        InputError: the pipeline does not fit the data, the device is not there, or ``classes_at_once`` is
            less than 1.
    """
    if classes_at_once != "auto" and classes_at_once < 1:
        raise InputError(
            f"classes_at_once: {classes_at_once} is not allowed; it must be 'auto' or 1 and more"
        )
    return Condensation(
        pipeline, data or pipeline.dataset.load(Path(root)), devices.choose(device), classes_at_once
    )


class Condensation:
    """A run: the codes, the optimizer's state, and how far it has come."""

    def __init__(
        self,
        pipeline: Pipeline,
        data: RealData,
        device: torch.device,
        classes_at_once: int | Literal["auto"] = 1,
    ) -> None:
        self.pipeline = pipeline
        self.data = data.to(device)
        self.device = device
        self.steps_done = 0
        """Inner steps since the beginning."""
        self._streams = Streams(pipeline.seed)
        self._preprocessing = Preprocessing(data.spec, pipeline.augment, device)
        self.execution = Execution.on(device, pipeline.precision, pipeline.compile)
        """How it is computed; steps are compiled if so many are ahead that this pays."""
        network, self.trial_prepared = try_stages(
            pipeline, self.data, self._preprocessing, self._streams, device
        )
        """What the objective prepares for a few images of each class."""
        with self.execution.active():
            self.codes: Codes = pipeline.init.codes(
                pipeline.decoder,
                pipeline.images_per_class,
                self.data.train,
                pipeline.model,
                self._streams.child("init"),
            )
        self.optimizer_state = pipeline.optimizer.initial_state(self.codes)
        self._refreshed: dict[int, Indices] = {}
        self._prepared: Tensors | None = None
        decoded = len(decode_class(pipeline.decoder, self.codes, 0, pipeline.images_per_class))
        self.matching = Matching(pipeline, self.data.train, self._preprocessing, self._streams, decoded)
        """What an inner step computes."""
        operations = self.matching.operations(network)
        self.execution = self.execution.decided(len(self) * operations)
        large = self.execution.compiled or operations > LARGE or classes_at_once == "auto"
        with self.execution.eager().active():
            self.memory = (
                self.matching.memory(network, self.codes, self.trial_prepared)
                if large and len(self)
                else None
            )
        """Bytes that matching one class takes at most beside the data, if it is not compiled; None where this
        is little."""
        self.matching.at_once = self._classes_at_once(classes_at_once)
        self._network: Network | None = None
        self._finite = self.state
        self._suspects: Tensor | None = None
        self._steps = self.execution.during(self._run())

    @property
    def computed(self) -> Computed:
        """How the steps are computed here."""
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
        """What `restore` resumes from; taken between two steps."""
        iteration, begun = divmod(self.steps_done, self.pipeline.inner_steps)
        needed = begun or self.pipeline.networks.reuses_network(iteration)
        network = self._network if needed else None
        return State(
            self.steps_done, self.codes, self.optimizer_state, network, self._refreshed, self._prepared
        )

    def restore(self, state: State) -> None:
        """Resume from a state of a condensation of the same pipeline and data, as that one would have."""
        self.steps_done, self.codes, self.optimizer_state = state.step, state.codes, state.optimizer
        self._network, self._refreshed, self._prepared = state.network, state.refreshed, state.prepared
        self._finite, self._suspects = state, None
        self._steps = self.execution.during(self._run())

    def __len__(self) -> int:
        """Steps of the whole run."""
        return self.pipeline.iterations * self.pipeline.inner_steps

    def __iter__(self) -> "Condensation":
        """Itself, so that a loop continues where the last one was left."""
        return self

    def __next__(self) -> Step:
        """Make one inner step.

        Raises:
            RunError: a distance or the codes are no longer finite; the codes are then the last that were.
        """
        try:
            return next(self._steps)
        except StopIteration:
            raise
        except BaseException:
            # Interrupted within a step, which is then made again: a generator that has raised is exhausted.
            self._steps = self.execution.during(self._run())
            raise

    def _run(self) -> Iterator[Step]:
        plan, train = self.pipeline, self.data.train
        if self._prepared is None and self.steps_done < len(self):
            self._prepared = plan.objective.prepare(train, plan.model, self._streams.child("objective"))
        while self.steps_done < len(self):
            iteration, inner_step = divmod(self.steps_done, plan.inner_steps)
            if inner_step == 0:
                self.codes = plan.decoder.project(self.codes, self.data.spec)
                streams = self._streams.child("networks", iteration)
                network = plan.networks.start(iteration, self._network, plan.model, train, streams)
            else:
                network = self._network
                assert network is not None, "a state within an outer iteration has a network"
            # Trained only before an inner step that matches it, so that none is trained for nothing.
            if network is self._network:
                network = plan.networks.train(network, train, self._synthetic)
            refreshed = self._refreshed
            if plan.sampler.refreshes(self.steps_done):
                refreshed = self.matching.refresh(network, self.steps_done)
            distances = self.inner_step(network, self.steps_done, refreshed)
            # Before the yield, so that the caller sees a finished step as done.
            self._network, self._refreshed, self.steps_done = network, refreshed, self.steps_done + 1
            self._refuse_infinite(distances)
            yield Step(iteration, inner_step, distances.mean())

    def synset(self, seconds: float | None = None, commit: str | None = None) -> Synset:
        """The current codes as a synset, projected onto the value range, on the CPU.

        Args:
            seconds: wall-clock seconds that they took, for the header.
            commit: of the repository they were made in, likewise.
        """
        codes = self.pipeline.decoder.project(self.codes, self.data.spec)
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
        """Norms of the network's gradients given what the last inner step saw; None before the first."""
        if self._network is None:
            return None
        with self.execution.eager().active():
            last = self.steps_done - 1
            return gradient_norms(self.matching, self._network, self.codes, last, self._refreshed)

    @cached_property
    def images_per_step(self) -> int:
        """Real and synthetic images that an inner step sees."""
        return sum(self.matching.images())

    def inner_step(
        self, network: Network, step: int, refreshed: Mapping[int, Indices] = MappingProxyType({})
    ) -> Distances:
        """Match every class once and step its codes.

        Args:
            network: the network being matched.
            step: inner steps since the beginning of the run, which decides what is drawn.
            refreshed: what `Sampler.refresh` returned last, by class.

        Returns:
            The distance of each class.
        """
        plan, shared, state = self.pipeline, self.pipeline.decoder.shared, self.optimizer_state
        codes = plan.optimizer.before_gradients(self.codes, state, shared)
        with self.execution.active():
            gradients, distances = self.matching(network, codes, step, self._prepared, refreshed)
        # Together, so that an interruption leaves the codes of a whole step.
        self.codes, self.optimizer_state = plan.optimizer.update(codes, state, gradients, step, shared)
        return distances

    def _synthetic(self) -> Split:
        plan, spec = self.pipeline, self.data.spec
        batch = decode(plan.decoder, self.codes, plan.images_per_class, len(spec.classes))
        return Split(batch.images, batch.labels, spec)

    def _classes_at_once(self, wanted: int | Literal["auto"]) -> int:
        free = memory.available(self.device)
        if self.memory is None or free is None:
            return 1 if wanted == "auto" else wanted
        if self.memory > free:
            needed, there = (f"{size / 1e9:.1f} GB" for size in (self.memory, free))
            warnings.warn(
                f"matching one class may take {needed} of memory, and {there} are free; if it fails, lower "
                "sampler.batch_size or sampler.max_synthetic",
                Notice,
                2,
            )
        if wanted != "auto":
            return wanted
        return max(1, int(SHARE_OF_MEMORY * free / self.memory)) if self.device.type == "cuda" else 1

    def _refuse_infinite(self, distances: Distances) -> None:
        """Stop after a step that is not finite; on a GPU, which a check synchronises, after the iteration."""
        plan = self.pipeline
        bad = not_finite(distances, self.codes, plan.decoder.shared)
        self._suspects = bad if self._suspects is None else self._suspects | bad
        if self.steps_done % plan.inner_steps and self.device.type != "cpu":
            return
        if bool(self._suspects.any()):
            message = diverged(plan, self.data.spec, self._suspects, self._network, self.steps_done)
            self.restore(self._finite)
            raise RunError(f"{message}. The codes are those after {self.steps_done} steps, which were finite")
        self._finite = self.state
