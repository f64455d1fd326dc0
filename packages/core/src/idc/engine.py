"""The condensation loop: an iterator that the caller drives."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from idc import device as devices
from idc.codes import decode, decode_class, labels_of_class, of_class
from idc.data import RealData, Split
from idc.errors import InputError, RunError
from idc.match import match
from idc.network import Network, NetworkView
from idc.pipeline import Pipeline
from idc.preprocessing import Preprocessing
from idc.seeding import Streams
from idc.shapes import Batch, Codes, Indices, Scalar
from idc.synset import Synset


@dataclass(frozen=True)
class Step:
    """One sweep over all classes."""

    iteration: int
    """Outer iteration, from 0."""
    inner_step: int
    """Sweep within the outer iteration, from 0."""
    loss: Scalar
    """Mean distance over the classes; on the device, so that reading it is what waits for it."""


def condense(
    pipeline: Pipeline, data: RealData | None = None, *, root: str | Path = "data", device: str = "auto"
) -> "Condensation":
    """Begin a condensation; nothing is computed beyond the initial codes until it is iterated.

    Args:
        pipeline: the experiment.
        data: real data; loaded from ``pipeline.dataset`` by default.
        root: the folder the dataset's files are in.
        device: ``auto``, ``cpu``, ``cuda`` or any other name of a torch device.

    Returns:
        An iterator over `Step`, which goes on where it was left; `Condensation.synset` can be taken at any
        time.

    Raises:
        InputError: the pipeline does not fit the data, or the device is not there.
    """
    return Condensation(pipeline, data or pipeline.dataset.load(Path(root)), devices.choose(device))


class Condensation:
    """A run: the codes, their velocity, and how far it has come."""

    def __init__(self, pipeline: Pipeline, data: RealData, device: torch.device) -> None:
        self.pipeline = pipeline
        self.data = data.to(device)
        self.device = device
        self.iteration = 0
        """Outer iterations done."""
        self._streams = Streams(pipeline.seed)
        self._preprocessing = Preprocessing(data.spec, pipeline.augment, device)
        self._refuse_unfit()
        self.codes: Codes = pipeline.init.codes(
            pipeline.decoder,
            pipeline.images_per_class,
            self.data.train,
            pipeline.model,
            self._streams.child("init"),
        )
        self.velocity: Codes = {name: torch.zeros_like(code) for name, code in self.codes.items()}
        self._decoded = len(decode_class(pipeline.decoder, self.codes, 0, pipeline.images_per_class))
        self._steps = self._run()

    def __len__(self) -> int:
        """Steps of the whole run."""
        return self.pipeline.iterations * self.pipeline.inner_steps

    def __iter__(self) -> "Condensation":
        """Itself, so that a loop goes on where another one was broken off."""
        return self

    def __next__(self) -> Step:
        """Make one sweep.

        Raises:
            RunError: the codes are no longer finite at the end of an outer iteration.
        """
        return next(self._steps)

    def _run(self) -> Iterator[Step]:
        plan, train = self.pipeline, self.data.train
        seen: Network | None = None
        for iteration in range(self.iteration, plan.iterations):
            self.codes = plan.decoder.project(self.codes, self.data.spec)
            streams = self._streams.child("networks", iteration)
            network = plan.networks.start(iteration, seen, plan.model, train, streams)
            for inner_step in range(plan.inner_steps):
                # Trained only before a sweep that sees it, so that none is trained for nothing.
                if network is seen:
                    network = plan.networks.train(network, train, self._synthetic)
                loss = self._sweep(NetworkView(network), iteration * plan.inner_steps + inner_step)
                seen = network
                if inner_step == plan.inner_steps - 1:
                    self._refuse_infinite(iteration)
                    # Before the yield, so that the caller sees a finished iteration as done.
                    self.iteration = iteration + 1
                yield Step(iteration, inner_step, loss)

    def synset(self) -> Synset:
        """The present codes as a synset, projected onto the value range, on the CPU."""
        codes = self.pipeline.decoder.project(self.codes, self.data.spec)
        return Synset.of(
            self.pipeline,
            {name: code.cpu() for name, code in codes.items()},
            self.data.spec,
            iterations=self.iteration,
            fingerprint=self.data.train.fingerprint(),
        )

    def _sweep(self, view: NetworkView, step: int) -> Scalar:
        plan, shared = self.pipeline, self.pipeline.decoder.shared
        self.codes = plan.optimizer.before(self.codes, self.velocity, shared)
        matches = [self._match(view, label, step) for label in range(len(self.data.spec.classes))]
        by_class = [gradients for gradients, _ in matches]
        gradients = {name: torch.stack([each[name] for each in by_class]) for name in self.codes}
        gradients.update({name: gradients[name].sum(0) for name in shared})
        self.codes, self.velocity = plan.optimizer.after(self.codes, self.velocity, gradients, shared)
        return torch.stack([distance for _, distance in matches]).mean()

    def _match(self, view: NetworkView, label: int, step: int) -> tuple[Codes, Scalar]:
        plan, train, streams = self.pipeline, self.data.train, self._streams.child("match", step, label)
        sampling = self._streams.child("sampler", label)
        with streams.seeded("layers", device=self.device):
            return match(
                plan.decoder,
                plan.objective,
                self._preprocessing,
                view,
                of_class(plan.decoder, self.codes, label),
                labels_of_class(self.codes, label, plan.images_per_class),
                train.batch(plan.sampler.real(train.members[label], step, sampling)),
                self._preprocessing.draw(1, streams.generator("augment")),
                plan.sampler.synthetic(self._decoded, step, sampling).to(self.device),
            )

    def _synthetic(self) -> Split:
        plan, spec = self.pipeline, self.data.spec
        batch = decode(plan.decoder, self.codes, plan.images_per_class, len(spec.classes))
        return Split(batch.images, batch.labels, spec)

    def _refuse_unfit(self) -> None:
        """Try on few images what would otherwise fail in the middle of a run."""
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

    def _normalised(self, members: Indices) -> Batch:
        batch = self.data.train.batch(members)
        return Batch(self._preprocessing(batch.images), batch.labels)

    def _refuse_infinite(self, iteration: int) -> None:
        if not all(bool(code.isfinite().all()) for code in self.codes.values()):
            plan = self.pipeline
            raise RunError(
                f"the codes are no longer finite after iteration {iteration + 1} of {plan.iterations}; the "
                f"likely cause is optimizer.learning_rate = {plan.optimizer.learning_rate}: lower it"
            )
