"""Continual learning with a synset as the memory: classes, or domains, come one step after the other."""

import statistics
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from idc.data.split import joined
from idc.errors import within
from idc.kinds import (
    Evaluation,
    EvaluatorInputs,
    ImageSpec,
    InputError,
    Model,
    Need,
    Network,
    Point,
    Scores,
    Split,
    Streams,
)
from idc.stages import papers
from idc.stages.evaluators.protocol_evaluator import ProtocolEvaluator, refuse_other_images
from idc.training.distillation import Distillation, Teacher
from idc.training.recipe import accuracy

Steps = list[list[int]]
"""Class numbers of each step, in the order of the steps."""


class Incremental(ProtocolEvaluator):
    """A network that learns step by step, tested after each step on everything seen so far.

    Each step it is trained on images of the step's classes and on what was kept of earlier ones. In IDC's
    and DM's experiments both are the synset's images; real images of the new classes are what DC and iCaRL
    train on.
    """

    protocol: str = "idc-2022-incremental"
    """Name of a published recipe."""
    steps: Annotated[int, Field(ge=2)] = 5
    """Number of steps, each with as many classes as the others: the first ones in the order of the dataset's
    classes, which ``dataset.class_order`` may shuffle."""
    learning: Literal["distillation", "gdumb"] = "distillation"
    """``distillation``: the network is trained further, and the one of the step before distilled into it.
    ``gdumb``: a new network for each step (Prabhu et al. 2020), as in DM."""
    distillation: Distillation = Distillation()
    """With a weight of 0 the network is trained further without distillation."""
    new: Literal["synset", "real"] = "synset"
    """Images of the step's own classes."""
    kept: Literal["synset", "real", "nothing"] = "synset"
    """Images of the classes of earlier steps: the memory; or all, or none, as bounds to compare with."""
    later_classes: bool = False
    """Whether synsets are accepted whose codes were made with images of later steps, which a learner cannot
    have; by default they are refused."""

    def cited(self) -> tuple[str, ...]:
        """With GDumb's paper where it is followed."""
        learning = (papers.GDUMB,) if self.learning == "gdumb" else ()
        return (*super().cited(), *learning)

    @property
    def needs(self) -> frozenset[Need]:
        """The images that it is trained on, and the test split."""
        images: set[Need] = {"train" if each == "real" else "synthetic" for each in self._sources}
        return frozenset({"test", *images})

    def alone(self, found: Sequence[Evaluation], model: Model) -> list[tuple[str, Model]]:
        """Named after what was kept."""
        name = "all real images kept" if self.kept == "real" else "nothing kept"
        return [(name, each) for _, each in super().alone(found, model)]

    @property
    def _sources(self) -> tuple[str, ...]:
        return tuple(each for each in (self.new, self.kept) if each != "nothing")

    along: ClassVar[str]
    """What the curve of accuracies runs along."""

    @abstractmethod
    def reached(self, seen: Steps) -> int:
        """How far along the curve the steps so far have come."""

    @abstractmethod
    def outputs(self, seen: Steps) -> dict[int, int]:
        """The network's output for each class of the steps so far, and numbers from 0."""

    @abstractmethod
    def overall(self, accuracies: Sequence[float], images: Sequence[int]) -> float:
        """The accuracy on everything seen so far.

        Args:
            accuracies: on the test images of each step.
            images: number of them.
        """

    def classes_of(self, spec: ImageSpec) -> Steps:
        """The class numbers of each step.

        Raises:
            InputError: the number of classes is not divisible by the steps.
        """
        count = len(spec.classes)
        each, rest = divmod(count, self.steps)
        if rest or not each:
            allowed = ", ".join(str(steps) for steps in range(2, count + 1) if count % steps == 0)
            raise InputError(
                f"evaluate.steps: the dataset's {count} classes cannot be divided into {self.steps} equal "
                f"steps; set one of {allowed}, or choose other classes with dataset.classes"
            )
        return [list(range(first, first + each)) for first in range(0, count, each)]

    def refuse_unfit(self, spec: ImageSpec, model: Model) -> None:
        """Refuse numbers of steps, models and augmentations that do not fit such images."""
        super().refuse_unfit(spec, model)
        steps = self.classes_of(spec)
        for each in self.candidates(model):
            with within("evaluate"):
                first, second = (
                    each.fresh(self._spec(steps[:number], spec), Streams(0)) for number in (1, 2)
                )
                continued(first, second)

    def refuse_knowledge(self, known: Sequence[frozenset[int]], spec: ImageSpec) -> None:
        """Refuse codes of a step that know a later one, unless `later_classes` allows it."""
        if self.later_classes or not self.reads_synsets:
            return
        steps = self.classes_of(spec)
        for number, label in ((number, label) for number, step in enumerate(steps, 1) for label in step):
            if later := sorted(known[label] - {each for step in steps[:number] for each in step}):
                own, other = spec.classes[label], spec.classes[later[0]]
                raise InputError(
                    f"evaluate: class {own!r} comes in step {number} of {self.steps}, but is condensed "
                    f"together with {other!r}, which comes later; condense step by step, with "
                    f"groups.classes = {len(steps[0])} and groups.see = 'group' or 'so-far', or set "
                    "later_classes = true"
                )

    def refuse_soft_labels(self) -> None:
        """Refuse soft labels, which networks gave that know all classes."""
        raise InputError(
            f"evaluate: {self.type!r} needs hard labels: soft ones come from networks that know the classes "
            "of all steps; set labels.type = 'hard', and labels = 'hard' in the decoder if it has that field"
        )

    def operations(self, images: int, matched_per_class: int, spec: ImageSpec, model: Model) -> float:
        """Forward and backward passes of all networks over all steps, without real images."""
        # Forwards and backwards, and forwards through the network of the step before.
        passes = 4 / 3 if self.learning == "distillation" else 1
        # 1, 2, …, steps parts of the images.
        seen = (self.steps + 1) / 2
        return passes * seen * super().operations(images, matched_per_class, spec, model)

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> Scores:
        """Accuracy on everything seen, after the last step and after each; forgetting.

        Raises:
            InputError: the synset's images or classes differ from the dataset's, or a step has no test
                images.
        """
        steps = self.classes_of(inputs.test.spec)
        if "synthetic" in self.needs:
            refuse_other_images(inputs.synthetic.spec, inputs.test.spec)
        # Of one of them, because it normalises all images, real ones beside synthetic ones too.
        spec = (inputs.synthetic if "synthetic" in self.needs else inputs.train).spec
        # By the classes that a step is trained on, which is about how long it takes.
        work = [
            sum(map(len, steps[number if self.kept == "nothing" else 0 : number + 1]))
            for number in range(len(steps))
        ]
        # The outputs of classes do not change with the steps that follow.
        tests = [self._of(inputs.test, steps, step, spec) for step in steps]
        if empty := [number for number, each in enumerate(tests, 1) if not len(each)]:
            raise InputError(
                f"evaluate.steps: no class of step {empty[0]} of {self.steps} has test images; set fewer "
                "steps, or hold out more images with dataset.test_fraction"
            )
        network: Network | None = None
        accuracies: list[list[float]] = []
        overall: list[float] = []
        for number in range(len(steps)):
            seen = steps[: number + 1]
            split = self._training_images(inputs, seen, spec)
            begun = model.fresh(split.spec, streams.child("step", number), split.device)
            teacher = None
            if network is not None and self.learning == "distillation":
                teacher = Teacher(network, self.distillation) if self.distillation.weight else None
                begun = continued(network, begun)
            # Of real images, beside synthetic ones too, there are as many as there are.
            matched = 0 if "train" in self.needs else inputs.matched_per_class
            epochs = self.epochs_of(len(split), matched, split.spec)
            for done, further in enumerate(self.trained(begun, split, epochs, teacher), 1):
                network = further
                progress((sum(work[:number]) + work[number] * done / epochs) / sum(work))
            assert network is not None
            tested = tests[: number + 1]
            accuracies.append([accuracy(network, each, spec) for each in tested])
            overall.append(self.overall(accuracies[-1], [len(each) for each in tested]))
        scores: Scores = {
            "accuracy": overall[-1],
            "average incremental accuracy": statistics.fmean(overall),
            "forgetting": forgetting(accuracies),
        }
        curve = {
            Point("accuracy", self.along, self.reached(steps[: number + 1])): value
            for number, value in enumerate(overall)
        }
        return scores | curve

    def _training_images(self, inputs: EvaluatorInputs, seen: Steps, spec: ImageSpec) -> Split:
        """Those of the last step's classes, and what was kept of the others."""
        *earlier, new = seen
        parts = [self._of(self._source(inputs, self.new), seen, new, spec)]
        before = [label for step in earlier for label in step]
        if before and self.kept != "nothing":
            parts.insert(0, self._of(self._source(inputs, self.kept), seen, before, spec))
        return joined(parts)

    def _source(self, inputs: EvaluatorInputs, name: str) -> Split:
        return inputs.train if name == "real" else inputs.synthetic

    def _of(self, split: Split, seen: Steps, labels: Sequence[int], spec: ImageSpec) -> Split:
        """The images of some of the classes seen, with the network's outputs as labels.

        They are normalised as ``spec`` says.
        """
        outputs = self.outputs(seen)
        return split.relabelled({label: outputs[label] for label in labels}, self._spec(seen, spec))

    def _spec(self, seen: Steps, spec: ImageSpec) -> ImageSpec:
        """With a class for each output; it is named after the first class that has it."""
        names: dict[int, str] = {}
        for label, output in self.outputs(seen).items():
            names.setdefault(output, spec.classes[label])
        return spec.model_copy(update={"classes": tuple(names[output] for output in sorted(names))})


def forgetting(accuracies: Sequence[Sequence[float]]) -> float:
    """How much of what it once knew a network has forgotten (Chaudhry et al. 2018, section 3).

    Args:
        accuracies: after each step, on the test images of each step so far.

    Returns:
        The mean over all steps but the last of the best accuracy on its test images before the last step,
        minus the accuracy after the last one; below 0 if it became better.
    """
    *before, last = accuracies
    return statistics.fmean(
        max(after[step] for after in before[step:]) - last[step] for step in range(len(before))
    )


def continued(earlier: Network, fresh: Network) -> Network:
    """A new network with the weights of an earlier one that knew fewer classes.

    Args:
        earlier: whose weights are taken.
        fresh: of the same architecture for as many classes or more, untrained. Further rows of its tensors,
            which are those of the new classes, stay as they are.

    Raises:
        InputError: tensors differ in more than their number of rows.
    """
    before = {**earlier.weights, **earlier.buffers}
    state = dict[str, Tensor]()
    for name, new in {**fresh.weights, **fresh.buffers}.items():
        old = before[name]
        if old.shape[1:] != new.shape[1:] or len(old.shape) != len(new.shape) or old.numel() > new.numel():
            raise InputError(
                f"model: {fresh.label} cannot learn further classes: its tensor {name!r} has the shape "
                f"{tuple(old.shape)} for fewer and {tuple(new.shape)} for more; choose another model"
            )
        state[name] = old if old.shape == new.shape else torch.cat([old, new[len(old) :]])
    return fresh.with_state(state)
