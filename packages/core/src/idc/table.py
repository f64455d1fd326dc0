"""Frozen pydantic models: strict tables for input, lenient records for results."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, model_validator

from idc.errors import refused, suggestion


class Table(BaseModel):
    """A frozen table of the pipeline file; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        polymorphic_serialization=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    bibtex: ClassVar[str] = ""
    """The paper that it implements, as one entry of BibTeX, which reports cite."""

    def cited(self) -> tuple[str, ...]:
        """BibTeX entries of the papers that this table and those within it implement, each once."""
        own = [self.bibtex] if self.bibtex else []
        within = (entry for name in type(self).model_fields for entry in _cited(getattr(self, name)))
        return tuple(dict.fromkeys([*own, *within]))

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, value: object) -> object:
        if isinstance(value, Mapping):
            table = cast(Mapping[str, object], value)
            fields = [name for name in cls.model_fields if name != "type"]
            named = f"fields: {', '.join(fields) or 'none'}"
            problems = {
                key: f"not a field of {cls.title()}{suggestion(key, fields)} ({named})"
                if key not in cls.model_fields
                else f"{given!r} is not allowed; it must be {_described(cls.model_fields[key].annotation)}"
                for key, given in table.items()
                if key not in cls.model_fields or _is_another_scalar(cls.model_fields[key].annotation, given)
            }
            if problems:
                raise refused(cls.__name__, problems, table)
        return cast(object, value)

    @classmethod
    def title(cls) -> str:
        """The table's name in messages: a stage's quoted type, else the class name in lower case."""
        field = cls.model_fields.get("type")
        return f"{field.default!r}" if field else f"the {cls.__name__.lower()} table"


def _cited(value: object) -> tuple[str, ...]:
    if isinstance(value, Table):
        return value.cited()
    if isinstance(value, tuple):
        return tuple(entry for each in cast(tuple[object, ...], value) for entry in _cited(each))
    return ()


class Record(BaseModel):
    """A frozen record; unknown keys are ignored, so that files of other versions can be read."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


def merged(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` updated with ``table``, key by key.

    Nested tables are merged recursively, except where both have a ``type`` and these differ: the fields of
    another type are dropped. Lists and values are replaced.
    """
    result = dict(base)
    for key, value in table.items():
        below = base.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = _merged_stage(cast(Mapping[str, Any], below), cast(Mapping[str, Any], value))
        else:
            result[key] = value
    return result


def _merged_stage(base: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    another = "type" in base and "type" in table and base["type"] != table["type"]
    return dict(table) if another else merged(base, table)


SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}


def _is_another_scalar(annotation: Any, given: object) -> bool:
    # pydantic would convert true to 1 and "32" to 32; in a file that is always a mistake.
    kinds = {kind for kind in _members(annotation) if kind in SCALARS}
    kinds |= {type(value) for value in _literals(annotation)} if kinds else set()
    allowed = kinds | ({int} if float in kinds else set())
    if isinstance(given, list):
        # Lists of lists are no scalars of any kind.
        return not any(isinstance(each, list) for each in cast(list[object], given)) and any(
            _is_another_scalar(annotation, each) for each in cast(list[object], given)
        )
    return bool(kinds) and type(given) in SCALARS and type(given) not in allowed


def _described(annotation: Any) -> str:
    texts = [text for kind, text in SCALARS.items() if kind in _members(annotation)]
    return " or ".join([*texts, *map(repr, _literals(annotation))])


def _members(annotation: Any) -> list[Any]:
    """An annotation and, for a union, its members."""
    found: list[Any] = []
    for each in get_args(annotation) or (annotation,):
        found.append(get_args(each)[0] if get_origin(each) is Annotated else each)
    return [annotation, *found]


def _literals(annotation: Any) -> list[Any]:
    return [value for each in _members(annotation) if get_origin(each) is Literal for value in get_args(each)]
