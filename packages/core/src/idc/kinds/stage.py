"""A stage is one table of ``pipeline.toml``: its fields are the keys, and its method does the work."""

from abc import ABC
from collections.abc import Callable, Mapping
from inspect import isabstract
from typing import Any, ClassVar, Self, cast

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import any_schema, definition_reference_schema, definitions_schema

from idc.kinds import registry
from idc.table import Table


class Stage(Table, ABC):
    """Base of every table that has a ``type``.

    A subclass that sets `group` is a *kind* (`idc.kinds`). Validating a mapping as a kind reads its
    ``type``, imports that one entry point and validates with the class found there: a field declared as
    ``objective: Objective`` accepts whatever is installed.
    """

    group: ClassVar[str]
    """Entry-point group of the kind, such as ``idc.decoders``."""

    default_type: ClassVar[str | None] = None
    """For a kind: the type of tables without one; if None, a table must name its type."""

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
            RegistryError: it is not available, or not of this kind.
        """
        found = registry.load(cls.group, name)
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise registry.unusable(cls.group, name, f"is not a subclass of idc.kinds.{cls.__name__}")
        if isabstract(found):
            missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
            raise registry.unusable(cls.group, name, f"does not implement {missing}")
        if found.model_fields["type"].default != name:
            raise registry.unusable(cls.group, name, f'does not declare type: Literal["{name}"] = "{name}"')
        return found

    @model_validator(mode="wrap")
    @classmethod
    def _resolve(cls, value: Any, handler: Callable[[Any], Self]) -> Self:
        if not (cls.is_kind() and isinstance(value, Mapping)):
            return handler(value)
        table = cast(Mapping[str, object], value)
        name = table.get("type", cls.default_type)
        if name is None:
            raise registry.missing_type(cls.group)
        if not isinstance(name, str):
            raise registry.RegistryError(f"'type' is {name!r}, but must be a name in quotes")
        return cls.implementation(name).model_validate({**table, "type": name})

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        if not cls.is_kind():
            return handler(core_schema)
        # A definition of its own, to which stages that hold others of their kind can refer while it is made.
        name = f"{cls.__module__}.{cls.__name__}Types:{id(cls)}"
        empty = definitions_schema(definition_reference_schema(name), [any_schema(ref=name)])
        reference = handler(empty)
        definition = handler.resolve_ref_schema(reference)
        if not definition:
            definition["anyOf"] = []
            definition["anyOf"] += cls._implementations(handler)
        # Not the reference itself, which pydantic would replace by what it refers to.
        return {"anyOf": [reference]}

    @classmethod
    def _implementations(cls, handler: GetJsonSchemaHandler) -> list[JsonSchemaValue]:
        schemas = [handler(found.__pydantic_core_schema__) for found in cls._importable()]
        for schema in map(handler.resolve_ref_schema, schemas):
            # The class's own default for `type` does not make it optional in a file; only the kind's does.
            if schema["properties"]["type"].get("default") != cls.default_type:
                schema["required"] = sorted({"type", *schema.get("required", [])})
        return schemas

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
