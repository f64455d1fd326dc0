"""A pipeline at a glance: each of its tables with what its type does not provide."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import ValidationError

from idc.notebook import folded, line, panel, table
from idc.table import Table


def overview(name: str, pipeline: Table, toml: str) -> str:
    """The HTML of a pipeline, for notebooks.

    Args:
        name: of the pipeline.
        pipeline: whose fields are tables, lists of tables and settings.
        toml: the resolved pipeline as TOML.
    """
    tables: list[tuple[str, str, str]] = []
    for field in type(pipeline).model_fields:
        value = getattr(pipeline, field)
        if isinstance(value, Table):
            tables.append(_row(f"[{field}]", value))
        elif isinstance(value, tuple):
            tables += [_row(f"[[{field}]]", each) for each in cast(tuple[Table, ...], value)]
    settings = {
        field: getattr(pipeline, field)
        for field, about in type(pipeline).model_fields.items()
        if field != "name" and (about.is_required() or getattr(pipeline, field) != about.default)
    }
    plain = {field: value for field, value in settings.items() if not isinstance(value, Table | tuple)}
    return panel(
        f"Pipeline {name}",
        line(_listed(plain)),
        table(("table", "type", "other than the type's defaults"), tables),
        folded("all fields, as TOML", toml),
    )


def shortest(stage: Table) -> dict[str, Any]:
    """The plain values of a table that no default provides: a table of its type with these alone is equal.

    Unless a field is None where its default is not, which TOML cannot say: then all of them, without those.
    """
    short = stage.model_dump(mode="json", exclude_none=True)
    # What provides a default may itself be a field, such as the protocol of an evaluator, so that only
    # validating tells.
    for holder, key in list(_places(short)):
        value = holder.pop(key)
        if not _resolves(short, stage):
            holder[key] = value
    return short


def _row(name: str, value: Table) -> tuple[str, str, str]:
    kind = str(getattr(value, "type", ""))
    return name, kind, _listed({key: each for key, each in shortest(value).items() if key != "type"})


def _places(value: object) -> Iterator[tuple[dict[str, Any], str]]:
    """Each key below a value with the table that holds it, outer ones first."""
    if isinstance(value, dict):
        held = cast(dict[str, Any], value)
        for key in list(held):
            yield held, key
            if key in held:
                yield from _places(held[key])
    elif isinstance(value, list):
        for each in cast(list[object], value):
            yield from _places(each)


def _resolves(values: Mapping[str, Any], stage: Table) -> bool:
    try:
        return type(stage).model_validate(values) == stage
    except ValidationError:
        return False


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {_inline(value)}" for key, value in _dotted(values))


def _dotted(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(cast(Mapping[str, Any], value), f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def _inline(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Mapping):
        return f"{{{_listed(cast(Mapping[str, Any], value))}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, cast(list[Any], value)))}]"
    return json.dumps(value, ensure_ascii=False)
