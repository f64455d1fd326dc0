"""Generates the page of fields from the models that validate a pipeline file; a hook of the site."""

import inspect
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import tomli_w
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from idc.config.pipeline import Pipeline
from idc.kinds import KINDS, registry
from idc.kinds.stage import Stage
from idc.stages.evaluators.protocols import PROTOCOLS
from idc.table import Table

PLACE = "<!-- the fields -->"
"""Placeholder in the page."""
OURS = ("idc-augment", "idc-core", "idc-models")
"""Distributions whose stages are on the page; other plugins may be installed."""
NAMES: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "true or false"),
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "texts"),
    Path: ("path", "paths"),
    dict: ("table", "tables"),
    Any: ("value", "values"),
}


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """The page of fields with its placeholder filled in; other pages unchanged."""
    return markdown.replace(PLACE, fields()) if page.file.src_uri == "fields.md" else markdown


def fields() -> str:
    """Every field of a pipeline file as Markdown: of the pipeline, of each stage, and of nested tables."""
    sections = ["## At the top of the file { #pipeline }", _definitions(Pipeline)]
    for table, kind in KINDS.items():
        brackets = "[[{}]]" if _is_list(Pipeline.model_fields[table].annotation) else "[{}]"
        # The rest of a kind's docstring is for plugin authors.
        about = _prose(kind).split("\n\n")[0]
        sections += [f"## `{brackets.format(table)}` {{ #{table} }}", about]
        if kind.default_type:
            sections.append(f"`type` may be omitted; it is then `{kind.default_type}`.")
        shared = _public(kind)
        if shared:
            sections += [f"Every type of `{table}` takes these:", _definitions(kind)]
        for stage in stages(kind):
            sections += [f"### `{stage.model_fields['type'].default}` {{ #{anchor(stage)} }}", _prose(stage)]
            sections += [_definitions(stage, shared)]
            inherited = [
                f"`{name}`" for name in _public(stage) if name in shared and _same(stage, kind, name)
            ]
            if inherited:
                sections.append(f"And [as every `{table}`](#{table}): {', '.join(inherited)}.")
    sections.append("## Tables within these { #tables }")
    for table in tables():
        sections += [f"### {table.__name__} {{ #{anchor(table)} }}", f"{_prose(table)} {_places(table)}"]
        sections += [_definitions(table)]
    sections.append("## Protocols { #protocols }")
    sections.append("What each `protocol` of `[[evaluate]]` fills in where the table says nothing:")
    for name, recipe in PROTOCOLS.items():
        sections += [f"### `{name}` {{ #protocol-{name} }}", f"```toml\n{tomli_w.dumps(recipe)}```"]
    return "\n\n".join(section for section in sections if section)


def stages(kind: type[Stage]) -> list[type[Stage]]:
    """Our installed implementations of a kind."""
    found = [each for each in registry.installed(kind.group) if each.distribution in OURS]
    return [kind.implementation(each.type) for each in found]


def tables() -> list[type[Table]]:
    """Tables without a type that are fields of the pipeline or of our stages, in order of appearance."""
    found: list[type[Table]] = []
    pending: list[type[Table]] = [Pipeline, *(stage for kind in KINDS.values() for stage in stages(kind))]
    while pending:
        for field in pending.pop(0).model_fields.values():
            for each in _classes(field.annotation):
                if not issubclass(each, Stage) and each not in found:
                    found.append(each)
                    pending.append(each)
    return found


def _places(table: type[Table]) -> str:
    """Which fields hold such a table."""
    found = [
        f"`{name}` of [{_called(owner)}](#{anchor(owner)})"
        for owner in (Pipeline, *(stage for kind in KINDS.values() for stage in stages(kind)), *tables())
        for name, field in owner.model_fields.items()
        if table in _classes(field.annotation)
    ]
    return f"Used as {', '.join(found)}."


def _called(table: type[Table]) -> str:
    if issubclass(table, Stage):
        return f"`{table.model_fields['type'].default}`"
    return "the pipeline" if table is Pipeline else table.__name__


def anchor(table: type[Table]) -> str:
    """A table's anchor on the page."""
    if table is Pipeline:
        return "pipeline"
    if not issubclass(table, Stage):
        return f"table-{table.__name__.lower()}"
    name = next(name for name, kind in KINDS.items() if issubclass(table, kind))
    return name if table.is_kind() else f"{name}-{table.model_fields['type'].default}"


def allowed(annotation: Any, limits: tuple[Any, ...] = (), *, many: bool = False) -> str:
    """The allowed values of a field in TOML terms, with their range.

    Args:
        annotation: of the field.
        limits: the metadata of `Annotated`.
        many: whether to use the plural.
    """
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return allowed(members[0], members[1:], many=many)
    if origin in (Union, UnionType):
        return " or ".join(allowed(each, many=many) for each in members if each is not NoneType)
    if origin is Literal:
        return " or ".join(f"`{_toml(value)}`" for value in members)
    if origin is tuple:
        if Ellipsis not in members:
            return f"list of {len(members)} {allowed(members[0], many=True)}"
        least = any(isinstance(each, MinLen) for each in _flat(limits))
        return f"list of {'one or more ' * least}{allowed(members[0], many=True)}"
    if isinstance(annotation, type) and issubclass(annotation, Table):
        name = next((name for name, kind in KINDS.items() if annotation is kind), "")
        return f"[{f'`{name}` ' * bool(name)}{'tables' if many else 'table'}](#{anchor(annotation)})"
    return NAMES[origin or annotation][many] + _range(limits)


def _definitions(table: type[Table], shared: tuple[str, ...] = ()) -> str:
    """Fields as a definition list, without those inherited unchanged from the kind."""
    kind = next((kind for kind in KINDS.values() if issubclass(table, kind)), table)
    own = [name for name in _public(table) if not (name in shared and _same(table, kind, name))]
    own.sort(key=lambda name: not table.model_fields[name].is_required())
    return "\n\n".join(_definition(table, name) for name in own)


def _definition(table: type[Table], name: str) -> str:
    field = table.model_fields[name]
    facts = allowed(field.annotation, tuple(field.metadata))
    text = inspect.cleandoc(field.description or "").replace("\n", "\n    ")
    return f"**`{name}`** {facts}{_default(table, field)}\n:   {text}"


def _default(table: type[Table], field: FieldInfo) -> str:
    if field.is_required():
        return ", set by the protocol" if "protocol" in table.model_fields else ", required"
    value = field.get_default(call_default_factory=True)
    if value is None or isinstance(value, Table):
        return ""
    return f", default `{_toml(value)}`"


def _range(limits: tuple[Any, ...]) -> str:
    lower = next((f" from {each.ge}" for each in _flat(limits) if isinstance(each, Ge)), "")
    lower = next((f" above {each.gt}" for each in _flat(limits) if isinstance(each, Gt)), lower)
    upper = next((f" to {each.le}" for each in _flat(limits) if isinstance(each, Le)), "")
    upper = next((f" below {each.lt}" for each in _flat(limits) if isinstance(each, Lt)), upper)
    return f"{lower}{' and' if lower and 'below' in upper else ''}{upper}"


def _flat(limits: tuple[Any, ...]) -> list[Any]:
    return [part for each in limits for part in (each.metadata if isinstance(each, FieldInfo) else [each])]


def _toml(value: Any) -> str:
    match value:
        case Path():
            return _toml(value.as_posix())
        case dict() if not value:
            return "{}"
        case dict():
            return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
        case tuple() | list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return tomli_w.dumps({"_": value}).removeprefix("_ = ").rstrip()


def _public(table: type[Table]) -> tuple[str, ...]:
    return tuple(name for name in table.model_fields if name != "type")


def _same(table: type[Table], kind: type[Table], name: str) -> bool:
    ours, theirs = (each.model_fields[name] for each in (table, kind))
    return (ours.annotation, ours.default, ours.description) == (
        theirs.annotation,
        theirs.default,
        theirs.description,
    )


def _classes(annotation: Any) -> list[type[Table]]:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    return [found for each in get_args(annotation) for found in _classes(each)]


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is tuple


def _prose(table: type[Table]) -> str:
    return inspect.cleandoc(table.__doc__ or "")
