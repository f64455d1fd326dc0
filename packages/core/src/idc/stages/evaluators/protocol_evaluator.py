"""What evaluators have in common that train networks by a published protocol."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Field, model_validator

from idc.errors import refused, within
from idc.kinds import Evaluator, ImageSpec, InputError, Model, Network, Split, Streams
from idc.runtime.execution import current_execution
from idc.stages import papers
from idc.stages.evaluators.protocols import PROTOCOLS, epochs_by_images
from idc.table import Table, merged
from idc.training.distillation import Teacher
from idc.training.recipe import Training

Fraction = Annotated[float, Field(gt=0, lt=1)]


class ProtocolEvaluator(Evaluator):
    """Trains networks for a number of epochs.

    ``protocol`` provides every field of the training that the table omits; the report names the fields that
    it changes.
    """

    # The protocol supplies every other field, so a file need not.
    model_config = ConfigDict(json_schema_extra={"required": []})

    protocol: str = "idc-2022"
    """Name of a published recipe."""
    epochs: Annotated[int, Field(ge=1)] | Literal["by-images"]
    """Number of epochs; ``by-images``: fewer for more training images (IDC's rule for ImageNet subsets)."""
    milestones: tuple[Fraction, ...] | Literal["after-half"]
    """Fractions of the epochs after which the learning rate decays; ``after-half``: once, after half of them,
    rounded up, and one more (DC's code)."""
    decay: Annotated[float, Field(gt=0)]
    """Factor of the learning rate at each milestone."""
    restart: bool = False
    """Whether momentum is reset at each milestone, as in DC's code."""
    training: Training
    """Training recipe of the networks."""

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

    def cited(self) -> tuple[str, ...]:
        """With the protocol's paper."""
        return tuple(dict.fromkeys([papers.PROTOCOLS[self.protocol], *super().cited()]))

    def protocol_as_run(self) -> str:
        """The protocol's name, with the fields that were changed: ``idc-2022 (changed: epochs 300)``."""
        published = type(self).model_validate({"protocol": self.protocol, **self._without_default()})
        apart = self.outside_protocol | {"protocol", "training"}
        own = [name for name in type(self).model_fields if name not in apart]
        fields: list[tuple[str, Table, Table]] = [(name, self, published) for name in own]
        fields += [(name, self.training, published.training) for name in Training.model_fields]
        changed: list[str] = []
        for name, ours, theirs in fields:
            value = getattr(ours, name)
            if value != getattr(theirs, name):
                place = name if ours is self else f"training.{name}"
                # With the value, so that scores that differ only in it are not confused.
                changed.append(f"{place} {_said(value)}")
        changed += (
            [f"precision {current_execution().precision}"] if current_execution().precision != "fp32" else []
        )
        return f"{self.protocol} (changed: {', '.join(changed)})" if changed else self.protocol

    def _without_default(self) -> dict[str, Any]:
        """Fields that neither the class nor a protocol provides."""
        fields = type(self).model_fields
        required = {name for name, field in fields.items() if field.is_required()}
        return {name: getattr(self, name) for name in required - PROTOCOLS[self.protocol].keys()}

    def learning_rate(self, epoch: int, epochs: int, first: float | None = None) -> float:
        """The learning rate of an epoch, counted from 0.

        Args:
            epoch: from 0.
            epochs: in total.
            first: the rate before it decays; the training's by default.
        """
        passed = sum(epoch >= decayed for decayed in self._decays(epochs))
        return (self.training.learning_rate if first is None else first) * self.decay**passed

    def _decays(self, epochs: int) -> list[int]:
        """The first epochs, counted from 0, with a lower learning rate than the one before."""
        if self.milestones == "after-half":
            return [(epochs + 1) // 2 + 1]
        return [int(fraction * epochs) for fraction in self.milestones]

    def refuse_unfit(self, spec: ImageSpec, model: Model) -> None:
        """Refuse models and augmentations that do not fit such images."""
        with within("evaluate"):
            self.training.refuse_unfit(spec)
            for position, each in enumerate(self.models):
                with within(f"models.{position}"):
                    each.fresh(spec, Streams(0))

    def refuse_soft_labels(self) -> None:
        """Refuse CutMix, which would mix labels that other networks gave to whole images."""
        if self.training.cutmix:
            raise InputError(
                f"evaluate: protocol {self.protocol!r} mixes images and labels with probability "
                f"{self.training.cutmix:g} (training.cutmix), but the synset's labels are soft; set "
                "training.cutmix = 0, or use hard labels"
            )

    def epochs_of(self, images: int, matched_per_class: int, spec: ImageSpec) -> int:
        """Number of epochs.

        Args:
            images: number of training images.
            matched_per_class: of a class, while matching; 0 where nothing is matched.
            spec: of the images.
        """
        if self.epochs == "by-images":
            classes = len(spec.classes)
            each = images // classes
            # IDC's code counts at most the decoder's bound, even if all images are evaluated.
            return epochs_by_images(min(each, matched_per_class or each), classes)
        return self.epochs

    def operations(self, images: int, matched_per_class: int, spec: ImageSpec, model: Model) -> float:
        """Forward and backward passes of all networks over all epochs, of the synset's images."""
        networks = (each.fresh(spec, Streams(0)) for each in self.candidates(model))
        passes = 3 * self.runs * self.epochs_of(images, matched_per_class, spec) * images
        return passes * sum(network.operations(spec.shape) for network in networks)

    def trained(
        self,
        network: Network,
        split: Split,
        epochs: int,
        teacher: Teacher | None = None,
        first_rate: float | None = None,
    ) -> Iterator[Network]:
        """Train a network.

        Args:
            network: to train.
            split: the training images.
            epochs: number of them.
            teacher: whose distillation loss is added; none by default.
            first_rate: the learning rate before it decays; the training's by default.

        Returns:
            The network after each epoch.
        """
        per_epoch = self.training.batches_per_epoch(split)
        # By the work of one run, so that the result does not depend on the number of runs.
        execution = self.training.execution(network, split, epochs * per_epoch)
        for epoch in range(epochs):
            if self.restart and epoch in self._decays(epochs):
                network = network.at_rest()
            rate = self.learning_rate(epoch, epochs, first_rate)
            with execution.active():
                network = self.training.steps(network, split, per_epoch, rate, teacher)
            yield network


def refuse_other_images(of_synset: ImageSpec, of_data: ImageSpec) -> None:
    """Refuse a synset whose images or classes differ from the dataset's.

    Raises:
        InputError: what differs.
    """
    for what in ("shape", "classes", "low", "high"):
        ours, theirs = getattr(of_synset, what), getattr(of_data, what)
        if ours != theirs:
            named = ", or set its classes with idc import --classes" if what == "classes" else ""
            raise InputError(
                f"dataset: {what} is {theirs}, but the synset's is {ours}; evaluate it on the dataset that "
                f"it was condensed from{named}"
            )


def _said(value: Any) -> str:
    """A value as short text; augmentations as their types and a hash of their fields."""
    if isinstance(value, int | float | str):
        return str(value)
    if isinstance(value, Table):
        return ", ".join(f"{name} {_said(getattr(value, name))}" for name in type(value).model_fields)
    if not value:
        return "none"
    if all(isinstance(each, float) for each in value):
        return "/".join(map(str, value))
    fields = "".join(each.model_dump_json() for each in value)
    return f"{'+'.join(each.type for each in value)}-{hashlib.sha256(fields.encode()).hexdigest()[:4]}"
