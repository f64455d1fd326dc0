"""What a shell completes: files, presets, stage types and the keys of ``--set``.

``idc --install-completion`` installs it. Nothing is imported before a Tab asks for it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import typer

if TYPE_CHECKING:
    from idc.table import Table


def pipelines(incomplete: str) -> list[str]:
    """Pipeline files, folders, and names of presets."""
    return [*_paths(incomplete, ".toml"), *presets(incomplete)]


def presets(incomplete: str) -> list[str]:
    """Names of presets."""
    from idc.config.presets import names

    return [name for name in names() if name.startswith(incomplete)]


def synsets(incomplete: str) -> list[str]:
    """Synset files, and folders, which may be runs."""
    return list(_paths(incomplete, ".safetensors"))


def folders(incomplete: str) -> list[str]:
    """Folders, which may be runs."""
    return [path for path in _paths(incomplete, "") if path.endswith("/")]


def models(incomplete: str) -> list[str]:
    """Types of models, the last of a list with commas."""
    from idc.kinds import Model, registry

    before, comma, last = incomplete.rpartition(",")
    return [before + comma + name for name in registry.names(Model.group) if name.startswith(last)]


def tables(incomplete: str) -> list[str]:
    """Tables of the pipeline that have a type."""
    from idc.kinds import KINDS

    return [name for name in KINDS if name.startswith(incomplete)]


def types(context: typer.Context, incomplete: str) -> list[str]:
    """Installed types of the table given."""
    from idc.kinds import KINDS, registry

    kind = KINDS.get(context.params.get("table") or "")
    return [name for name in registry.names(kind.group) if name.startswith(incomplete)] if kind else []


def devices(incomplete: str) -> list[str]:
    """The usual devices."""
    return [name for name in ("auto", "cpu", "cuda") if name.startswith(incomplete)]


def plugin_kinds(incomplete: str) -> list[str]:
    """What ``idc new`` makes."""
    return [name for name in ("decoder", "objective") if name.startswith(incomplete)]


def settings(context: typer.Context, incomplete: str) -> list[str]:
    """Keys of the pipeline that the command line names, a table at a time, and the choices of a value."""
    from idc.config.extends import read_table
    from idc.config.presets import file_or_preset
    from idc.errors import InputError

    # An option without a value yet ends the parsing before the arguments are given their names.
    given = context.params.get("pipeline") or next(iter(context.args), None)
    try:
        table = read_table(file_or_preset(Path(given))) if given else {}
    except InputError:
        table = {}
    key, equals, value = incomplete.partition("=")
    *above, last = key.split(".")
    found = _model(above, table)
    if equals:
        return [f"{key}={choice}" for choice in _choices(found, last) if choice.startswith(value)]
    keys = [str(number) + "." for number in range(found)] if isinstance(found, int) else _keys(found)
    return [".".join([*above, name]) for name in keys if name.startswith(last)]


def _paths(incomplete: str, suffix: str) -> Iterator[str]:
    """Files with a suffix, and folders, below which more may be; hidden ones only if asked for."""
    folder, slash, name = incomplete.rpartition("/")
    try:
        there = sorted(Path(folder or slash or ".").expanduser().iterdir())
    except (OSError, RuntimeError):
        # No such folder or user, or not readable: nothing to offer.
        return
    for path in there:
        hidden = path.name.startswith(".") and not name
        if path.name.startswith(name) and not hidden and (path.is_dir() or path.suffix == suffix):
            yield f"{folder}{slash}{path.name}" + ("/" if path.is_dir() else "")


def _model(path: list[str], table: Any) -> "type[Table] | int | None":
    """The class of the table at a dotted key; for a list of tables, how many it has."""
    from idc.config.pipeline import Pipeline

    model: type[Table] | None = Pipeline
    for name in path:
        if isinstance(table, list):
            table = table[int(name)] if name.isdecimal() and int(name) < len(table) else None
        elif model is not None and name in model.model_fields:
            model = _table_in(model.model_fields[name].annotation)
            table = table.get(name) if isinstance(table, Mapping) else None
        else:
            return None
        model = _implementation(model, table)
    return len(table) if isinstance(table, list) else model


def _implementation(model: "type[Table] | None", table: Any) -> "type[Table] | None":
    """For a kind, the installed class that a table's type names."""
    from idc.kinds.registry import RegistryError
    from idc.kinds.stage import Stage

    if model is None or not issubclass(model, Stage) or not model.is_kind():
        return model
    type_ = table.get("type", model.default_type) if isinstance(table, Mapping) else model.default_type
    try:
        return model.implementation(type_) if type_ else model
    except RegistryError:
        return model


def _table_in(annotation: Any) -> "type[Table] | None":
    """The first class of tables in an annotation such as ``tuple[Decoder, ...] | None``."""
    from idc.table import Table

    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next(filter(None, map(_table_in, get_args(annotation))), None)


def _keys(model: "type[Table] | None") -> list[str]:
    """Fields, as ``name.`` where tables are below and ``name=`` where there is a value."""
    fields = model.model_fields if model else {}
    return [f"{name}." if _table_in(each.annotation) else f"{name}=" for name, each in fields.items()]


def _choices(model: "type[Table] | int | None", name: str) -> list[str]:
    """What a field may be, if that is a short list: installed types, literals, true and false."""
    from idc.kinds import registry
    from idc.kinds.stage import Stage

    if model is None or isinstance(model, int) or name not in model.model_fields:
        return []
    if name == "type" and issubclass(model, Stage):
        return registry.names(model.group)
    return _literals(model.model_fields[name].annotation)


def _literals(annotation: Any) -> list[str]:
    if annotation is bool:
        return ["false", "true"]
    if get_origin(annotation) is Literal:
        return [str(each) for each in get_args(annotation)]
    return [choice for each in get_args(annotation) for choice in _literals(each)]
