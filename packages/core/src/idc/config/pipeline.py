"""``pipeline.toml`` as a typed, frozen object: the file is the experiment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, cast

import tomli_w
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from idc.config.extends import read_table
from idc.config.overrides import override
from idc.errors import InputError, explain
from idc.kinds import (
    KINDS,
    Augmentation,
    Dataset,
    Decoder,
    Evaluator,
    Initializer,
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
            f"{name!r} is not allowed; it must be letters, digits, '_', '.' and '-', begin with a letter or "
            "digit, and have at most 100 characters"
        )
    return name


Name = Annotated[str, AfterValidator(_refuse_names_that_need_quotes)]


class Baseline(Table):
    """A synset without condensation, evaluated beside the condensed one at the same stored budget."""

    name: Name
    """What the report calls it, such as ``random``."""
    draws: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How often it is drawn anew: from the pipeline's seed and those that follow. All scores are pooled."""
    init: Initializer
    """Which real images, or what noise, it is made of."""
    decoder: Decoder
    """How it is stored, which need not be how the result is."""


class PublishedScore(Table):
    """A score that others have reported for the same dataset and budget, to be shown beside ours."""

    synset: Name
    """What was scored, such as ``idc``."""
    accuracy: Annotated[float, Field(ge=0, le=100)]
    """In percent."""
    source: str
    """Where the number is from."""


def _allow_extends(schema: dict[str, Any]) -> None:
    # A key of the file, not of the pipeline; what a file lacks may be in those it extends.
    names: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    schema["properties"]["extends"] = {
        "anyOf": [{"type": "string"}, names],
        "description": "Pipeline files that this one is laid over, relative to it.",
    }
    schema["anyOf"] = [{"required": ["extends"]}, {"required": schema.pop("required")}]


class Pipeline(Table):
    """An experiment: ten kinds of stage and the numbers of the outer loop."""

    model_config = ConfigDict(json_schema_extra=_allow_extends)

    name: Name = "pipeline"
    """Names the run folder; by default the file's name."""
    method: Name = "synset"
    """What the report calls the condensed synset, such as ``idc``."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0
    """Every random draw of the experiment follows from it."""
    images_per_class: Annotated[int, Field(ge=1)]
    """Stored images for each class; a decoder may make more training images of them."""
    iterations: Annotated[int, Field(ge=0)]
    """Outer iterations, each with a fresh network; 0 keeps the initial codes."""
    inner_steps: Annotated[int, Field(ge=1)] = 100
    """Inner steps of an outer iteration: each matches every class once, and network training follows."""
    precision: Precision = "fp32"
    """Of convolutions: float32 (TF32 on GPUs), or bfloat16 with norms, losses and matching in float32;
    ``auto`` is bfloat16 where the hardware computes it. The artifact says which it was."""
    compile: Compile = "auto"
    """Whether steps are compiled, which takes a minute; ``auto`` where the work ahead is worth it. Compiled
    steps round otherwise in the last digits."""
    dataset: Dataset
    """The real images: those to condense and those to test on."""
    model: Model
    """The network that is matched through, and that scores are taken with unless `evaluate` names others."""
    init: Initializer
    """What the stored codes are in the beginning."""
    decoder: Decoder
    """What is stored, and how training images are made of it."""
    augment: tuple[Augmentation, ...] = ()
    """Applied in this order and with the same draw to real and synthetic images while matching."""
    sampler: Sampler = Field(default=cast(Sampler, {}), validate_default=True)
    """Which of a class's real and decoded images an inner step sees."""
    objective: Objective
    """How far a synthetic batch is from a real one, as a network sees them: what condensing lowers."""
    networks: Networks
    """Which networks that is seen through, and what they are trained on between inner steps."""
    optimizer: Optimizer
    """The step on the codes."""
    baseline: tuple[Baseline, ...] = ()
    """Synsets that are scored beside the result at the same stored budget."""
    evaluate: tuple[Evaluator, ...] = ()
    """How the result and its baselines are scored; nothing is by default."""
    snapshot_every: Annotated[int, Field(ge=1)] | None = None
    """Outer iterations between synsets that are kept on the way, from the initial one, and scored as well;
    none are by default."""
    published: tuple[PublishedScore, ...] = ()
    """What others have reported, for the report; changes nothing else."""

    @classmethod
    def load(cls, path: str | Path, overrides: Mapping[str, object] | None = None) -> Self:
        """Read and validate a pipeline file.

        Args:
            path: a TOML file; what it ``extends`` is read too.
            overrides: dotted keys and the values to put there, as in `override`.

        Returns:
            The pipeline, named after the file unless it names itself.

        Raises:
            InputError: no such file, not TOML (with line and column), or not a valid pipeline.
        """
        path = Path(path)
        whole = _with_default_types({"name": _name_of(path), "sampler": {}, **read_table(path)})
        try:
            return cls.parse(override(whole, overrides or {}))
        except InputError as error:
            changed = " as changed by the settings" if overrides else ""
            raise InputError(f"{path}{changed}: not a valid pipeline\n{error}") from error.__cause__

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> Self:
        """Validate a mapping as TOML or JSON gives it.

        Raises:
            InputError: one line for each thing that is wrong; a plugin's ImportError is chained.
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
            InputError: a key leads nowhere, or the outcome is not a valid pipeline.
        """
        return self.parse(override(self.table(), overrides))

    def table(self) -> dict[str, Any]:
        """The resolved pipeline as plain values, every default written out."""
        return self.model_dump(mode="json", exclude_none=True)

    def toml(self) -> str:
        """The resolved pipeline as TOML text."""
        return tomli_w.dumps(self.table())

    def baselines(self) -> list[Self]:
        """A pipeline for each draw of each baseline: its init and decoder, no iterations, a seed each."""
        return [
            self.model_copy(
                update={
                    "method": baseline.name,
                    "seed": self.seed + draw,
                    "init": baseline.init,
                    "decoder": baseline.decoder,
                    "iterations": 0,
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
            raise ValueError(f"method and baseline names must differ, got {', '.join(synsets)}")
        return self


def _name_of(path: Path) -> str:
    # Any file name will do for a file, but a run folder's should need no quotes.
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", path.stem).strip("-._") or "pipeline"


def _with_default_types(table: dict[str, Any]) -> dict[str, Any]:
    """The table with the types written out that it leaves to their kinds, so that overrides find them."""
    types = {name: kind.default_type for name, kind in KINDS.items() if kind.default_type}
    return table | {
        name: {"type": type_, **table[name]}
        for name, type_ in types.items()
        if isinstance(table.get(name), Mapping)
    }


def _missing() -> dict[str, str]:
    return {
        name: f"add a table [{name}] with a type (installed: {', '.join(registry.names(kind.group))})"
        for name, kind in KINDS.items()
    } | {"optimizer": "add a table [optimizer] with a learning_rate"}
