"""The field's score: train fresh networks on the synset alone and test them on real images."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, cast, final

from pydantic import ConfigDict, Field, model_validator

from idc.data import RealData
from idc.errors import InputError, refused
from idc.evaluators.protocols import PROTOCOLS
from idc.kinds import Evaluator, Model
from idc.network import Network, refuse_unfit
from idc.preprocessing import Preprocessing
from idc.report import Evaluation
from idc.seeding import Streams
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
    epochs: Annotated[int, Field(ge=1)]
    milestones: tuple[Share, ...]
    """Shares of the epochs after which the learning rate decays."""
    decay: Annotated[float, Field(gt=0)]
    """Factor of the learning rate at each milestone."""
    training: Training

    @model_validator(mode="before")
    @classmethod
    def _fill_in_protocol(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        table = cast(Mapping[str, Any], value)
        name = table.get("protocol", cls.model_fields["protocol"].default)
        if name not in PROTOCOLS:
            message = f"unknown protocol {name!r} (known: {', '.join(PROTOCOLS)})"
            raise refused(cls.__name__, {"protocol": message}, table)
        return _merged(PROTOCOLS[name], table)

    def protocol_as_run(self) -> str:
        """The protocol's name, with the fields that were changed: ``idc-2022 (changed: epochs)``."""
        published = Retrain.model_validate({"protocol": self.protocol})
        changed = [
            name
            for name in ("epochs", "milestones", "decay")
            if getattr(self, name) != getattr(published, name)
        ]
        changed += [
            f"training.{name}"
            for name in Training.model_fields
            if getattr(self.training, name) != getattr(published.training, name)
        ]
        return f"{self.protocol} (changed: {', '.join(changed)})" if changed else self.protocol

    def learning_rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        passed = sum(epoch >= int(share * self.epochs) for share in self.milestones)
        return self.training.learning_rate * self.decay**passed

    def refuse_unfit(self, spec: ImageSpec) -> None:
        """Refuse models and augmentations that do not fit such images."""
        try:
            Preprocessing(spec, self.training.augment).refuse_unfit()
        except InputError as error:
            raise InputError(f"evaluate: training: {error}") from error
        for position, model in enumerate(self.models):
            try:
                refuse_unfit(model, spec)
            except InputError as error:
                raise InputError(f"evaluate: models.{position}: {error}") from error

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
        for what in ("shape", "classes"):
            of_synset, of_data = getattr(synset.spec, what), getattr(data.spec, what)
            if of_synset != of_data:
                raise InputError(
                    f"dataset: {what} {of_data} is not the synset's {of_synset}; evaluate it on the dataset "
                    "it was condensed from"
                )
        models = self.models or (model,)
        for position, architecture in enumerate(models):
            values: list[float] = []
            for run in range(self.runs):
                done = position * self.runs + run
                score = self._score(
                    synset,
                    data,
                    architecture,
                    streams.child(run),
                    lambda share, done=done: progress((done + share) / (self.runs * len(models))),
                )
                values.append(score)
            yield Evaluation(
                type=self.type,
                protocol=self.protocol_as_run(),
                model=architecture.label(),
                metric="accuracy",
                values=tuple(values),
            )

    def _score(
        self,
        synset: Synset,
        data: RealData,
        model: Model,
        streams: Streams,
        progress: Callable[[float], None],
    ) -> float:
        split = synset.split().to(data.test.pixels.device)
        with streams.seeded("weights"):
            module = model.build(split.spec)
        network = Network.of(module, streams, split.pixels.device)
        preprocessing = self.training.preprocessing(split)
        for epoch in range(self.epochs):
            rate = self.learning_rate(epoch)
            for _ in range(self.training.batches_per_epoch(split)):
                network = self.training.step(network, split, preprocessing, rate)
            progress((epoch + 1) / self.epochs)
        return accuracy(network, data.test)


def _merged(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**base, **table}
    for key, value in base.items():
        if isinstance(value, Mapping) and isinstance(table.get(key), Mapping):
            merged[key] = _merged(cast(Mapping[str, Any], value), table[key])
    return merged
