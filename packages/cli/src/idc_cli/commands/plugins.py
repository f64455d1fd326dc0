"""``idc plugins``."""

from typing import TYPE_CHECKING, Annotated

import typer

from idc_cli import completion
from idc_cli.app import Json

if TYPE_CHECKING:
    from idc.kinds.stage import Stage


def plugins(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="[TABLE]",
            help="Only types of it, such as decoder.",
            autocompletion=completion.tables,
        ),
    ] = None,
    type_: Annotated[
        str | None,
        typer.Argument(
            metavar="[TYPE]", help="Describe this type and its fields.", autocompletion=completion.types
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List every installed stage type, or describe one.

    No plugin is imported for the list.
    """
    from json import dumps

    from idc.errors import InputError, suggestion
    from idc.kinds import KINDS, registry
    from idc.kinds.registry import RegistryError
    from idc_cli.terminal.tables import show_table

    if table is not None and table not in KINDS:
        raise InputError(f"{table!r} is not a table{suggestion(table, KINDS)} (tables: {', '.join(KINDS)})")
    if table is not None and type_ is not None:
        try:
            _describe(KINDS[table].implementation(type_), json=json)
        except RegistryError as error:
            raise InputError(f"{table}: {error}") from None
        return
    kinds = KINDS if table is None else {table: KINDS[table]}
    found = [(name, each) for name, kind in kinds.items() for each in registry.installed(kind.group)]
    if json:
        print(dumps([{"table": name, **each._asdict()} for name, each in found], indent=2))
        return
    rows = [(name, each.type, f"{each.distribution} {each.version}", each.target) for name, each in found]
    show_table(["table", "type", "distribution", "class"], rows)


def _describe(stage: "type[Stage]", *, json: bool) -> None:
    """Print what a type is, and its fields with what they are by default."""
    from inspect import getdoc
    from json import dumps

    from idc_cli.terminal.tables import show_table

    if json:
        print(dumps(stage.model_json_schema(), indent=2))
        return
    print(getdoc(stage), end="\n\n")
    rows: list[tuple[str, str, str]] = []
    for name, field in stage.model_fields.items():
        if name != "type":
            default = "required" if field.is_required() else str(field.get_default(call_default_factory=True))
            rows.append((name, default, " ".join((field.description or "").split())))
    show_table(["field", "default", "meaning"], rows)
