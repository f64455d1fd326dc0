"""A stage is one table of ``pipeline.toml``: its fields are the keys, and its method does the work."""

from abc import ABC
from collections.abc import Callable, Mapping
from inspect import isabstract
from typing import Annotated, Any, ClassVar, Literal, Self, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from idc import registry
from idc.errors import refused, suggestion


class Table(BaseModel):
    """A frozen table of the pipeline file that refuses keys it does not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        polymorphic_serialization=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

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
        """What messages call this table: a stage's quoted type, else its class in lower case."""
        field = cls.model_fields.get("type")
        return f"{field.default!r}" if field else f"the {cls.__name__.lower()} table"


class Stage(Table, ABC):
    """Base of every table that has a ``type``.

    A direct subclass that sets `group` is a *kind* (`idc.kinds`). Validating a mapping as a kind reads its
    ``type``, imports that one entry point and validates with the class found there, so that a field is
    declared as ``objective: Objective`` and accepts whatever is installed.
    """

    group: ClassVar[str]
    """Entry-point group of the kind, such as ``idc.decoders``."""

    type: Any
    """The implementation's name in its group; implementations narrow it to one literal."""

    def label(self) -> str:
        """The type, and the fields that differ from their defaults: ``convnet (width=32)``."""
        changed = [
            f"{name}={getattr(self, name)}"
            for name, field in type(self).model_fields.items()
            if name != "type" and getattr(self, name) != field.default
        ]
        return f"{self.type} ({', '.join(changed)})" if changed else str(self.type)

    @classmethod
    def is_kind(cls) -> bool:
        """Whether this class is one of the pipeline's kinds rather than an implementation of one."""
        return "group" in vars(cls)

    @classmethod
    def implementation(cls, name: str) -> "type[Self]":
        """The installed class of this kind that is registered as ``name``.

        Raises:
            RegistryError: it cannot be had, or is not of this kind.
        """
        found = registry.load(cls.group, name)
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise registry.unusable(cls.group, name, f"is not a subclass of idc.kinds.{cls.__name__}")
        if isabstract(found):
            lacking = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
            raise registry.unusable(cls.group, name, f"does not implement {lacking}")
        if found.model_fields["type"].default != name:
            raise registry.unusable(cls.group, name, f'does not declare type: Literal["{name}"] = "{name}"')
        return found

    @model_validator(mode="wrap")
    @classmethod
    def _resolve(cls, value: Any, handler: Callable[[Any], Self]) -> Self:
        if not (cls.is_kind() and isinstance(value, Mapping)):
            return handler(value)
        table = cast(Mapping[str, object], value)
        if "type" not in table:
            raise registry.missing_type(cls.group)
        if not isinstance(table["type"], str):
            raise registry.RegistryError(f"'type' is {table['type']!r}, not a name in quotes")
        return cls.implementation(cast(str, table["type"])).model_validate(table)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        if not cls.is_kind():
            return handler(core_schema)
        schemas = [handler(found.__pydantic_core_schema__) for found in cls._importable()]
        for schema in map(handler.resolve_ref_schema, schemas):
            # The class has a default for its type; a file must write it.
            schema["required"] = sorted({"type", *schema.get("required", [])})
        return {"anyOf": schemas}

    @classmethod
    def _importable(cls) -> "list[type[Self]]":
        # A broken plugin that no pipeline names must not keep the others out of the schema.
        found: list[type[Self]] = []
        for name in registry.names(cls.group):
            try:
                found.append(cls.implementation(name))
            except registry.RegistryError:
                continue
        return found


SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes"}


def _is_another_scalar(annotation: Any, given: object) -> bool:
    # pydantic takes true for 1 and "32" for 32; in a file that is always a mistake.
    kinds = {kind for kind in _members(annotation) if kind in SCALARS}
    kinds |= {type(value) for value in _literals(annotation)} if kinds else set()
    allowed = kinds | ({int} if float in kinds else set())
    if isinstance(given, list):
        return any(_is_another_scalar(annotation, each) for each in cast(list[object], given))
    return bool(kinds) and type(given) in SCALARS and type(given) not in allowed


def _described(annotation: Any) -> str:
    texts = [text for kind, text in SCALARS.items() if kind in _members(annotation)]
    return " or ".join([*texts, *map(repr, _literals(annotation))])


def _members(annotation: Any) -> list[Any]:
    """What a union is a union of; any other annotation alone."""
    found: list[Any] = []
    for each in get_args(annotation) or (annotation,):
        found.append(get_args(each)[0] if get_origin(each) is Annotated else each)
    return [annotation, *found]


def _literals(annotation: Any) -> list[Any]:
    return [value for each in _members(annotation) if get_origin(each) is Literal for value in get_args(each)]
