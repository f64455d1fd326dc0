"""The field's score: train fresh networks on the synset alone and test them on real images."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, cast, final

import torch
from pydantic import ConfigDict, Field, model_validator

from idc.data import RealData
from idc.errors import InputError, refused, within
from idc.evaluators.protocols import PROTOCOLS, epochs_by_images
from idc.execution import present
from idc.kinds import Evaluator, Model
from idc.network import Network
from idc.report import Evaluation
from idc.seeding import Streams
from idc.source import merged
from idc.spec import ImageSpec
from idc.synset import Synset
from idc.training import Training, accuracy

Share = Annotated[float, Field(gt=0, lt=1)]


@final
class Retrain(Evaluator):
    """Accuracy after the last epoch, over several networks.

    ``protocol`` fills in every field that the table leaves out; what the table changes is named in the
    report beside the protocol.
    """

    # The protocol supplies every other field, so a file need not.
    model_config = ConfigDict(json_schema_extra={"required": ["type"]})

    type: Literal["retrain"] = "retrain"
    protocol: str = "idc-2022"
    """A published recipe."""
    models: tuple[Model, ...] = ()
    """Architectures to train; the pipeline's model by default."""
    runs: Annotated[int, Field(ge=1)] = 5
    """Networks trained of each architecture, each from its own seed."""
    epochs: Annotated[int, Field(ge=1)] | Literal["by-images"]
    """A number, or fewer the more training images there are (IDC's rule for ImageNet subsets)."""
    milestones: tuple[Share, ...]
    """Shares of the epochs after which the learning rate decays."""
    decay: Annotated[float, Field(gt=0)]
    """Factor of the learning rate at each milestone."""
    restart: bool = False
    """Forget the momentum at each milestone, as DC's code does."""
    best: bool = False
    """Also report the best accuracy of each run, at a quarter, half, three quarters and the end: a number
    that is selected on the test split, so never a headline."""
    training: Training
    """How networks are trained on the synset."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_protocol(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        table = cast(Mapping[str, Any], value)
        name = table.get("protocol", cls.model_fields["protocol"].default)
        if not isinstance(name, str) or name not in PROTOCOLS:
            message = f"unknown protocol {name!r} (known: {', '.join(PROTOCOLS)})"
            raise refused(cls.__name__, {"protocol": message}, table)
        return merged(PROTOCOLS[name], table)

    def protocol_as_run(self) -> str:
        """The protocol's name, with the fields that were changed: ``idc-2022 (changed: epochs 300)``."""
        published = Retrain.model_validate({"protocol": self.protocol})
        fields = [(name, self, published) for name in ("epochs", "milestones", "decay", "restart")]
        fields += [(name, self.training, published.training) for name in Training.model_fields]
        changed: list[str] = []
        for name, ours, theirs in fields:
            value = getattr(ours, name)
            if value != getattr(theirs, name):
                place = name if ours is self else f"training.{name}"
                # So that scores that differ in this alone are not taken for the same.
                changed.append(f"{place} {_said(value)}")
        changed += [f"precision {present().precision}"] if present().precision != "fp32" else []
        return f"{self.protocol} (changed: {', '.join(changed)})" if changed else self.protocol

    def learning_rate(self, epoch: int, epochs: int) -> float:
        """The learning rate of an epoch, counted from 0, out of so many."""
        passed = sum(epoch >= first for first in self._decays(epochs))
        return self.training.learning_rate * self.decay**passed

    def _decays(self, epochs: int) -> list[int]:
        return [int(share * epochs) for share in self.milestones]

    def refuse_unfit(self, spec: ImageSpec) -> None:
        """Refuse models and augmentations that do not fit such images."""
        with within("evaluate"):
            self.training.refuse_unfit(spec)
            for position, model in enumerate(self.models):
                with within(f"models.{position}"):
                    Network.fresh(model, spec, Streams(0), torch.device("cpu"))

    def operations(self, images: int, spec: ImageSpec, model: Model) -> float:
        """Forward and backward passes of all networks over all epochs."""
        cpu = torch.device("cpu")
        networks = [Network.fresh(each, spec, Streams(0), cpu) for each in self.models or (model,)]
        passes = 3 * self.runs * self._epochs(images, spec) * images
        return passes * sum(network.operations(spec.shape) for network in networks)

    def _epochs(self, images: int, spec: ImageSpec) -> int:
        if self.epochs == "by-images":
            return epochs_by_images(images // len(spec.classes), len(spec.classes))
        return self.epochs

    def evaluate(
        self,
        synset: Synset,
        data: RealData,
        model: Model,
        streams: Streams,
        progress: Callable[[float], None],
    ) -> Iterator[Evaluation]:
        """One evaluation for each architecture.

        Raises:
            InputError: the synset's images or classes are not the dataset's.
        """
        for what in ("shape", "classes", "low", "high"):
            of_synset, of_data = getattr(synset.spec, what), getattr(data.spec, what)
            if of_synset != of_data:
                named = ", or name its classes with idc import --classes" if what == "classes" else ""
                raise InputError(
                    f"dataset: {what} {of_data} is not the synset's {of_synset}; evaluate it on the dataset "
                    f"it was condensed from{named}"
                )
        models = self.models or (model,)
        for position, architecture in enumerate(models):
            runs = [
                self._run(
                    synset,
                    data,
                    architecture,
                    streams.child(run),
                    lambda share, done=position * self.runs + run: progress(
                        (done + share) / (self.runs * len(models))
                    ),
                )
                for run in range(self.runs)
            ]
            scores = {"accuracy": [accuracies[-1] for accuracies in runs]}
            if self.best:
                scores["best accuracy on the test split"] = [max(accuracies) for accuracies in runs]
            for metric, values in scores.items():
                yield Evaluation(
                    type=self.type,
                    protocol=self.protocol_as_run(),
                    model=architecture.label(),
                    metric=metric,
                    values=tuple(values),
                )

    def _run(
        self,
        synset: Synset,
        data: RealData,
        model: Model,
        streams: Streams,
        progress: Callable[[float], None],
    ) -> list[float]:
        """Accuracies of one network on the test split: the last one, after those that `best` asks for."""
        split = synset.split().to(data.test.device)
        epochs = self._epochs(len(split), split.spec)
        tested = {epochs * quarter // 4 for quarter in (1, 2, 3)} if self.best else set[int]()
        network = Network.fresh(model, split.spec, streams, split.device)
        per_epoch = self.training.batches_per_epoch(split)
        # Of one run, so that the first of five is the same as the only one.
        execution = self.training.execution(network, split, epochs * per_epoch)
        accuracies: list[float] = []
        for epoch in range(epochs):
            if self.restart and epoch in self._decays(epochs):
                network = network.at_rest()
            rate = self.learning_rate(epoch, epochs)
            with execution.active():
                network = self.training.steps(network, split, per_epoch, rate)
            if epoch + 1 in tested:
                accuracies.append(accuracy(network, data.test, split.spec))
            progress((epoch + 1) / epochs)
        return [*accuracies, accuracy(network, data.test, split.spec)]


def _said(value: Any) -> str:
    """A value in a few characters: as it is, augmentations by their types with a digest of their fields."""
    if isinstance(value, int | float | str):
        return str(value)
    if not value:
        return "none"
    if all(isinstance(each, float) for each in value):
        return "/".join(map(str, value))
    fields = "".join(each.model_dump_json() for each in value)
    return f"{'+'.join(each.type for each in value)}-{hashlib.sha256(fields.encode()).hexdigest()[:4]}"
