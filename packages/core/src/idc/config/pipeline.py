"""``pipeline.toml`` as a typed, frozen object: the file is the experiment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, cast

import tomli_w
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from idc.config.extends import read_table
from idc.config.groups import Groups
from idc.config.overrides import override
from idc.config.overview import overview
from idc.config.presets import file_or_preset
from idc.errors import InputError, explain
from idc.kinds import (
    KINDS,
    Augmentation,
    Dataset,
    Decoder,
    Evaluator,
    Initializer,
    Labeller,
    Model,
    Networks,
    Objective,
    Optimizer,
    Sampler,
    registry,
)
from idc.runtime.options import Compile, Precision
from idc.table import Table


def _refuse_names_that_need_quotes(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        raise ValueError(
            f"{name!r} is not allowed; use at most 100 letters, digits, '_', '.' and '-', beginning with a "
            "letter or digit"
        )
    return name


Name = Annotated[str, AfterValidator(_refuse_names_that_need_quotes)]


class Baseline(Table):
    """An uncondensed synset with the same stored budget, evaluated for comparison."""

    name: Name
    """Name in the report, such as ``random``."""
    draws: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of draws, from the pipeline's seed and those that follow. All scores are pooled."""
    init: Initializer
    """The real images, or the noise, that it consists of."""
    decoder: Decoder
    """How it is stored; may differ from the pipeline's decoder."""


class PublishedScore(Table):
    """A published score for the same dataset and budget, shown in the report."""

    synset: Name
    """What was scored, such as ``idc``."""
    accuracy: Annotated[float, Field(ge=0, le=100)]
    """Accuracy in percent."""
    source: str
    """Where the score was published."""


def _allow_extends(schema: dict[str, Any]) -> None:
    # A key of the file, not of the pipeline. Required keys may be in the extended files.
    names: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    schema["properties"]["extends"] = {
        "anyOf": [{"type": "string"}, names],
        "description": "Pipeline files that this one extends, relative to it.",
    }
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]


class Pipeline(Table):
    """An experiment: stages of eleven kinds, and the settings of the outer loop."""

    model_config = ConfigDict(json_schema_extra=_allow_extends)

    name: Name = "pipeline"
    """Name of the run folder; by default the file's name."""
    method: Name = "synset"
    """Name of the condensed synset in the report, such as ``idc``; it changes nothing else."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0
    """Seed of all random draws."""
    images_per_class: Annotated[int, Field(ge=1)]
    """Stored images per class; a decoder may make more training images of them."""
    iterations: Annotated[int, Field(ge=0)]
    """Outer iterations, each with a new network; 0 keeps the initial codes."""
    inner_steps: Annotated[int, Field(ge=1)] = 100
    """Inner steps per outer iteration. Each matches every class once; network training follows."""
    precision: Precision = "fp32"
    """Precision of convolutions: float32 (TF32 on GPUs), or bfloat16 with norms, losses and matching in
    float32; ``auto`` is bfloat16 if the hardware supports it. The synset records which was used."""
    compile: Compile = "auto"
    """Whether steps are compiled, which takes a minute; ``auto`` compiles long runs. Compiled steps round
    differently in the last digits."""
    groups: Groups | None = None
    """Groups of classes that are condensed apart; by default all classes are condensed together."""
    dataset: Dataset
    """The real images: a split to condense and a split to test on."""
    model: Model
    """Architecture of the networks being matched; also used for evaluation unless `evaluate` names others."""
    init: Initializer
    """The initial codes."""
    decoder: Decoder
    """What is stored, and how training images are made from it."""
    augment: tuple[Augmentation, ...] = ()
    """Augmentations while matching, applied in this order with the same draw to real and synthetic images."""
    sampler: Sampler = Field(default=cast(Sampler, {}), validate_default=True)
    """Selects the real and decoded images of each class in an inner step."""
    objective: Objective
    """The loss of the codes: the distance between a real and a synthetic batch, as a network sees them."""
    networks: Networks
    """Which networks are matched, and how they are trained between inner steps."""
    optimizer: Optimizer
    """Optimizer of the codes."""
    labels: Labeller = Field(default=cast(Labeller, {}), validate_default=True)
    """Labels of the decoded images once the codes are finished: hard ones, or soft ones by other networks."""
    baseline: tuple[Baseline, ...] = ()
    """Synsets to score for comparison, at the same stored budget."""
    evaluate: tuple[Evaluator, ...] = ()
    """How the result and its baselines are scored; not at all by default."""
    snapshot_every: Annotated[int, Field(ge=1)] | None = None
    """Outer iterations between intermediate synsets, which are saved and scored, beginning with the initial
    one; none by default."""
    published: tuple[PublishedScore, ...] = ()
    """Published scores to show in the report; no other effect."""

    @classmethod
    def load(cls, path: str | Path, overrides: Mapping[str, object] | None = None) -> Self:
        """Read and validate a pipeline file.

        Args:
            path: a TOML file; files it ``extends`` are read too. Where there is no such file, the preset of
                that name, such as ``digits`` or ``cifar10-ipc10-idc``.
            overrides: dotted key → value, as in `override`.

        Returns:
            The pipeline, by default named after the file.

        Raises:
            InputError: no such file, not TOML (with line and column), or not a valid pipeline.
        """
        path = file_or_preset(Path(path))
        table = _with_default_types({"name": _name_of(path), "sampler": {}, "labels": {}, **read_table(path)})
        try:
            return cls.parse(override(table, overrides or {}))
        except InputError as error:
            overridden = " with overrides" if overrides else ""
            raise InputError(f"{path}{overridden}: not a valid pipeline\n{error}") from error.__cause__

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> Self:
        """Validate a mapping, as parsed from TOML or JSON.

        Raises:
            InputError: one line per problem; a plugin's ImportError is chained.
        """
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            found = (details.get("ctx", {}).get("error") for details in error.errors())
            causes = (each.__cause__ for each in found if isinstance(each, BaseException))
            cause = next((each for each in causes if each), None)
            raise InputError(explain(error, _missing())) from cause

    def override(self, overrides: Mapping[str, object]) -> Self:
        """The same pipeline with other values at dotted keys.

        Args:
            overrides: such as ``{"decoder.factor": 3, "evaluate.0.runs": 1}``.

        Raises:
            InputError: a key does not exist, or the result is not a valid pipeline.
        """
        return self.parse(override(self.table(), overrides))

    def table(self) -> dict[str, Any]:
        """The resolved pipeline as plain values, including all defaults."""
        return self.model_dump(mode="json", exclude_none=True)

    def toml(self) -> str:
        """The resolved pipeline as TOML text."""
        return tomli_w.dumps(self.table())

    def _repr_html_(self) -> str:
        """Its tables with what differs from defaults, for notebooks."""
        return overview(self.name, self, self.toml())

    def baselines(self) -> list[Self]:
        """A pipeline for each draw of each baseline: its init and decoder, 0 iterations, its own seed."""
        return [
            self.model_copy(
                update={
                    "method": baseline.name,
                    "seed": self.seed + draw,
                    "init": baseline.init,
                    "decoder": baseline.decoder,
                    "iterations": 0,
                    # Drawn apart only where it may know no more than the synset does.
                    "groups": self.groups if self.groups and self.groups.see != "all" else None,
                    "baseline": (),
                }
            )
            for baseline in self.baseline
            for draw in range(baseline.draws)
        ]

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        synsets = [self.method, *(baseline.name for baseline in self.baseline)]
        if len(set(synsets)) < len(synsets):
            raise ValueError(f"method and baseline names must be distinct, got {', '.join(synsets)}")
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> Self:
        if self.groups is None:
            return self
        apart = [self.decoder]
        # Those of the baselines too, where they are drawn group by group.
        apart += [each.decoder for each in self.baseline] if self.groups.see != "all" else []
        for decoder in apart:
            if decoder.shared:
                shared = ", ".join(sorted(decoder.shared))
                raise ValueError(
                    f"groups: decoder {decoder.type!r} shares {shared} among all classes, which groups that "
                    "are condensed apart cannot; leave [groups] out, or choose another decoder"
                )
        if self.snapshot_every is not None:
            raise ValueError(
                "snapshot_every: there are no snapshots with [groups], which are condensed one after the "
                "other; leave one of them out"
            )
        if self.groups.see != "all" and (self.labels.soft or self.decoder.soft_labels()):
            raise ValueError(
                f"groups.see: {self.groups.see!r} is not allowed with soft labels, which are of all classes; "
                "set groups.see = 'all'"
            )
        return self

    @model_validator(mode="after")
    def _labelled_once(self) -> Self:
        decoders = {"decoder": self.decoder}
        decoders |= {f"baseline.{number}.decoder": each.decoder for number, each in enumerate(self.baseline)}
        for place, decoder in decoders.items():
            if self.labels.soft and decoder.soft_labels():
                raise ValueError(
                    f"labels.type = {self.labels.type!r} and {place} = {decoder.label()} both give soft "
                    f"labels; keep one: set labels.type = 'hard', or labels = 'hard' in {place}"
                )
        return self


def _name_of(path: Path) -> str:
    # A run folder's name should need no quotes, unlike an arbitrary file name.
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-._") or "pipeline"


def _with_default_types(table: dict[str, Any]) -> dict[str, Any]:
    """The table with explicit default types, so that overrides find them."""

    def typed(value: Any, default: str) -> Any:
        if isinstance(value, list):
            return [typed(each, default) for each in value]
        return {"type": default, **value} if isinstance(value, Mapping) else value

    types = {name: kind.default_type for name, kind in KINDS.items() if kind.default_type and name in table}
    return table | {name: typed(table[name], default) for name, default in types.items()}


def _missing() -> dict[str, str]:
    return {
        name: f"add a table [{name}] with a type (installed: {', '.join(registry.names(kind.group))})"
        for name, kind in KINDS.items()
    } | {"optimizer": "add a table [optimizer] with a learning_rate"}
