"""``pipeline.toml`` as a typed, frozen object: the file is the experiment."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, cast

import tomli_w
from pydantic import Field, ValidationError, model_validator

from idc.errors import InputError, explain, refused
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
    Sampler,
)
from idc.optimizer import Optimizer
from idc.registry import names
from idc.stage import Table

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)]


class Baseline(Table):
    """A synset without condensation, evaluated beside the condensed one at the same stored budget."""

    name: Name
    """What the report calls it, such as ``random``."""
    draws: Annotated[int, Field(ge=1)] = 1
    """How often it is drawn anew, from the seeds that follow the pipeline's; all draws' scores are pooled."""
    init: Initializer
    decoder: Decoder


class Pipeline(Table):
    """An experiment: nine kinds of stage and the numbers of the outer loop."""

    name: Name = "pipeline"
    """Names the run folder; by default the file's name."""
    method: Name = "synset"
    """What the report calls the condensed synset, such as ``idc``."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Every random draw of the experiment follows from it."""
    images_per_class: Annotated[int, Field(ge=1)]
    """Stored images for each class; a decoder may make more training images of them."""
    iterations: Annotated[int, Field(ge=0)]
    """Outer iterations, each with a fresh network; 0 keeps the initial codes."""
    inner_steps: Annotated[int, Field(ge=1)] = 100
    """Sweeps over all classes in an outer iteration, each followed by network training."""
    dataset: Dataset
    model: Model
    init: Initializer
    decoder: Decoder
    augment: tuple[Augmentation, ...] = ()
    """Applied in this order and with the same draw to real and synthetic images while matching."""
    sampler: Sampler = Field(default=cast(Sampler, {"type": "epoch"}), validate_default=True)
    objective: Objective
    networks: Networks
    optimizer: Optimizer
    baseline: tuple[Baseline, ...] = ()
    evaluate: tuple[Evaluator, ...] = ()

    @classmethod
    def load(cls, path: str | Path, overrides: Mapping[str, object] | None = None) -> Self:
        """Read and validate a pipeline file.

        Args:
            path: a TOML file.
            overrides: dotted keys and the values to put there, as in `override`.

        Returns:
            The pipeline, named after the file unless it names itself.

        Raises:
            InputError: no such file, not TOML (with line and column), or not a valid pipeline.
        """
        path = Path(path)
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; give the path of a pipeline file (.toml)") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text ({error}); pipeline files are TOML") from None
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path}: not valid TOML: {error}") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        table = _override({"name": path.stem, **table}, overrides or {})
        try:
            return cls.parse(table)
        except InputError as error:
            raise InputError(f"{path}: not a valid pipeline\n{error}") from error.__cause__

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> Self:
        """Validate a mapping as TOML or JSON gives it.

        Raises:
            InputError: one line for each thing that is wrong; a plugin's ImportError is chained.
        """
        try:
            return cls.model_validate(table)
        except ValidationError as error:
            causes = (details.get("ctx", {}).get("error") for details in error.errors())
            cause = next((found.__cause__ for found in causes if found and found.__cause__), None)
            raise InputError(explain(error)) from cause

    def override(self, overrides: Mapping[str, object]) -> Self:
        """The same pipeline with other values at dotted keys.

        Args:
            overrides: such as ``{"decoder.factor": 3, "evaluate.0.runs": 1}``.

        Raises:
            InputError: a key leads nowhere, or the outcome is not a valid pipeline.
        """
        return self.parse(_override(self.table(), overrides))

    def table(self) -> dict[str, Any]:
        """The resolved pipeline as plain values, every default written out."""
        return self.model_dump(mode="json", exclude_none=True)

    def toml(self) -> str:
        """The resolved pipeline as TOML text."""
        return tomli_w.dumps(self.table())

    def baselines(self) -> list[Self]:
        """A pipeline for each draw of each baseline: its init and decoder, no iterations, another seed."""
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

    @model_validator(mode="before")
    @classmethod
    def _name_missing_stages(cls, value: object) -> object:
        if isinstance(value, Mapping):
            missing = {
                name: f"missing; add a table [{name}] with a type (installed: {', '.join(names(kind.group))})"
                for name, kind in KINDS.items()
                if cls.model_fields[name].is_required() and name not in value
            }
            if missing:
                raise refused(cls.__name__, missing, {})
        return cast(object, value)

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        synsets = [self.method, *(baseline.name for baseline in self.baseline)]
        if len(set(synsets)) < len(synsets):
            raise ValueError(f"method and baseline names must differ, got {', '.join(synsets)}")
        return self


def parse_assignment(assignment: str) -> tuple[str, object]:
    """Split ``KEY=VALUE`` as ``--set`` takes it; the value is TOML, or else a plain string.

    Raises:
        InputError: there is no ``=``, or no key.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{assignment!r} is not KEY=VALUE; write, for example, --set decoder.factor=3")
    try:
        return key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text


def _override(table: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    result: Any = dict(table)
    for key, value in overrides.items():
        result = _put(result, key.split("."), value, key)
    return result


def _put(node: Any, path: Sequence[str], value: object, key: str) -> Any:
    if not path:
        return value
    head, *rest = path
    if isinstance(node, Mapping):
        mapping = cast(Mapping[str, object], node)
        return {**mapping, head: _put(mapping.get(head, {}), rest, value, key)}
    if isinstance(node, Sequence) and not isinstance(node, str):
        items = list(cast(Sequence[object], node))
        if not head.isdecimal() or int(head) >= len(items):
            raise InputError(
                f"{key}: {head!r} is not one of the {len(items)} tables there; number them from 0, "
                f"such as {key.split('.')[0]}.0"
            )
        items[int(head)] = _put(items[int(head)], rest, value, key)
        return items
    raise InputError(f"{key}: {node!r} is a value, not a table, and has no {head!r}")
