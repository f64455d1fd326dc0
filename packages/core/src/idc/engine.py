"""The condensation loop: an iterator that the caller drives."""

import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from idc import allocator, memory
from idc import device as devices
from idc.artifact import Computed
from idc.codes import decode, decode_class
from idc.data import RealData, Split
from idc.divergence import diverged, not_finite
from idc.errors import InputError, Notice, RunError
from idc.execution import Execution
from idc.matching import Distances, GradientNorms, Matching
from idc.network import Network, NetworkView
from idc.pipeline import Pipeline
from idc.preprocessing import Preprocessing
from idc.seeding import Streams
from idc.shapes import Batch, Codes, Indices
from idc.state import State, Step
from idc.synset import Synset

LARGE = 1e12
"""Floating-point operations of a sweep from which the memory it takes is worth knowing beforehand."""

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
    """Begin a condensation; beyond the initial codes, it is only tried on few images until it is iterated.

    Args:
        pipeline: the experiment.
        data: real data; loaded from ``pipeline.dataset`` by default.
        root: the folder the dataset's files are in.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.
        classes_at_once: classes matched in one call, which takes more memory and on a CPU no less time;
            ``auto`` for as many as the free memory of a GPU holds.

    Returns:
        An iterator over `Step`, which goes on where it was left; `Condensation.synset` can be taken at any
        time.

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
    """A run: the codes, their velocity, and how far it has come."""

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
        """Sweeps made since the beginning."""
        self._streams = Streams(pipeline.seed)
        self._preprocessing = Preprocessing(data.spec, pipeline.augment, device)
        network = self._refuse_unfit()
        execution = Execution.of(pipeline)
        with execution.active():
            self.codes: Codes = pipeline.init.codes(
                pipeline.decoder,
                pipeline.images_per_class,
                self.data.train,
                pipeline.model,
                self._streams.child("init"),
            )
        self.velocity: Codes = {name: torch.zeros_like(code) for name, code in self.codes.items()}
        decoded = len(decode_class(pipeline.decoder, self.codes, 0, pipeline.images_per_class))
        self.matching = Matching(pipeline, self.data.train, self._preprocessing, self._streams, decoded)
        """What a sweep over the classes computes."""
        sweep = self.matching.operations(network)
        self.execution = execution.decided(len(self) * sweep)
        """How it is computed; steps are compiled if so many are ahead that this pays."""
        large = self.execution.compiled or sweep > LARGE or classes_at_once == "auto"
        with self.execution.eager().active():
            self.memory = self.matching.memory(network, self.codes) if large and len(self) else None
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
            compiled=self.execution.compiled,
            classes_at_once=self.matching.at_once,
            allocator=allocator.chosen(),
        )

    @property
    def iteration(self) -> int:
        """Outer iterations done."""
        return self.steps_done // self.pipeline.inner_steps

    @property
    def state(self) -> State:
        """What `restore` goes on from; taken between two steps."""
        iteration, begun = divmod(self.steps_done, self.pipeline.inner_steps)
        needed = begun or self.pipeline.networks.lasts(iteration)
        return State(self.steps_done, self.codes, self.velocity, self._network if needed else None)

    def restore(self, state: State) -> None:
        """Go on from a state of a condensation of the same pipeline and data, as that one would have."""
        self.steps_done, self.codes, self.velocity = state.step, state.codes, state.velocity
        self._network, self._finite, self._suspects = state.network, state, None
        self._steps = self.execution.during(self._run())

    def __len__(self) -> int:
        """Steps of the whole run."""
        return self.pipeline.iterations * self.pipeline.inner_steps

    def __iter__(self) -> "Condensation":
        """Itself, so that a loop goes on where another one was broken off."""
        return self

    def __next__(self) -> Step:
        """Make one sweep.

        Raises:
            RunError: a distance or the codes are no longer finite; the codes are then the last that were.
        """
        try:
            return next(self._steps)
        except StopIteration:
            raise
        except BaseException:
            # Interrupted within a step, which is then made anew: a generator that has raised is at its end.
            self._steps = self.execution.during(self._run())
            raise

    def _run(self) -> Iterator[Step]:
        plan, train = self.pipeline, self.data.train
        while self.steps_done < len(self):
            iteration, inner_step = divmod(self.steps_done, plan.inner_steps)
            if inner_step == 0:
                self.codes = plan.decoder.project(self.codes, self.data.spec)
                streams = self._streams.child("networks", iteration)
                network = plan.networks.start(iteration, self._network, plan.model, train, streams)
            else:
                network = self._network
                assert network is not None, "a state between two outer iterations' ends has a network"
            # Trained only before a sweep that sees it, so that none is trained for nothing.
            if network is self._network:
                network = plan.networks.train(network, train, self._synthetic)
            distances = self.sweep(network, self.steps_done)
            # Before the yield, so that the caller sees a finished step as done.
            self._network, self.steps_done = network, self.steps_done + 1
            self._refuse_infinite(distances)
            yield Step(iteration, inner_step, distances.mean())

    def synset(self, seconds: float | None = None, commit: str | None = None) -> Synset:
        """The present codes as a synset, projected onto the value range, on the CPU.

        Args:
            seconds: that they took, for the header.
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
        """How large the network's gradients are given what the last sweep saw; None before the first."""
        if self._network is None:
            return None
        with self.execution.eager().active():
            return self.matching.gradient_norms(self._network, self.codes, self.steps_done - 1)

    @cached_property
    def images_per_step(self) -> int:
        """Real and synthetic images that a sweep sees."""
        return sum(self.matching.images())

    def sweep(self, network: Network, step: int) -> Distances:
        """Match every class once and step its codes.

        Args:
            network: what real and synthetic images are seen through.
            step: sweeps since the beginning of the run, which decides what is drawn.

        Returns:
            The distance of each class.
        """
        plan, shared = self.pipeline, self.pipeline.decoder.shared
        codes = plan.optimizer.before(self.codes, self.velocity, shared)
        with self.execution.active():
            gradients, distances = self.matching(network, codes, step)
        # Together, so that an interruption leaves the codes of a whole step.
        self.codes, self.velocity = plan.optimizer.after(codes, self.velocity, gradients, shared)
        return distances

    def _synthetic(self) -> Split:
        plan, spec = self.pipeline, self.data.spec
        batch = decode(plan.decoder, self.codes, plan.images_per_class, len(spec.classes))
        return Split(batch.images, batch.labels, spec)

    def _refuse_unfit(self) -> Network:
        """Try on few images what would otherwise fail in the middle of a run; returns the network tried."""
        plan, spec = self.pipeline, self.data.spec
        plan.decoder.capacity(plan.images_per_class, spec)
        self._preprocessing.refuse_unfit()
        plan.networks.refuse_unfit(plan.model, self.data.train)
        for evaluator in plan.evaluate:
            evaluator.refuse_unfit(spec)
        network = Network.fresh(plan.model, spec, self._streams.child("check"), self.device)
        members = self.data.train.members[0]
        real, syn = (self._normalised(members[:count]) for count in (2, min(2, plan.images_per_class)))
        try:
            with self._streams.seeded("check", device=self.device):
                plan.objective.distance(NetworkView(network), real, syn)
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"objective: {plan.objective.type!r} cannot be computed through {plan.model.label()} for "
                f"images of {spec.shape} ({error}); choose another model"
            ) from error
        return network

    def _normalised(self, members: Indices) -> Batch:
        batch = self.data.train.batch(members)
        return Batch(self._preprocessing(batch.images), batch.labels)

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
        """Stop after a step that is not finite, or on a GPU, where every look waits, after the iteration."""
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
