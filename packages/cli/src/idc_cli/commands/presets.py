"""``idc presets``."""

from typing import Annotated, Any

import typer

from idc_cli import completion
from idc_cli.app import Json

presets = typer.Typer(help="List the pipelines that come with idc, or print one.", rich_markup_mode=None)


@presets.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    named: Annotated[
        str, typer.Option(metavar="TEXT", help="Only those whose name has this in it, such as cifar10-ipc1-.")
    ] = "",
    json: Json = False,
) -> None:
    """List the pipelines that come with idc.

    idc run NAME runs one of them, and a file of your own may extend it: extends = "NAME".
    """
    if context.invoked_subcommand is not None:
        return
    from json import dumps

    from idc.config.presets import names
    from idc_cli.terminal.tables import show_table

    found = [_described(name) for name in names() if named in name]
    if json:
        print(dumps(found, indent=2))
        return
    columns = ["name", "dataset", "images per class>", "method", "published, %>", "arithmetic>"]
    show_table(columns, [_row(each) for each in found])


@presets.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Of a preset, such as cifar10-ipc10-idc.",
            autocompletion=completion.presets,
        ),
    ],
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Also the fields that the preset leaves at their defaults.")
    ] = False,
) -> None:
    """Print a preset as one file, to begin your own from.

    What it extends is merged into it.
    """
    import tomli_w

    from idc.config.extends import read_table
    from idc.config.pipeline import Pipeline
    from idc.config.presets import names, preset
    from idc.errors import InputError, suggestion

    path = preset(name)
    if path is None:
        raise InputError(f"{name!r} is not a preset{suggestion(name, names())}; idc presets lists them")
    table = Pipeline.load(path).table() if defaults else read_table(path)
    print(tomli_w.dumps(table), end="")


def _described(name: str) -> dict[str, Any]:
    """Facts of a preset that need no stage to be imported."""
    from idc.config.extends import read_table
    from idc.config.presets import FOLDER, arithmetic

    table = read_table(FOLDER / f"{name}.toml")
    method = table.get("method", "synset")
    published = [each for each in table.get("published", []) if each["synset"] == method]
    return {
        "name": name,
        "dataset": table["dataset"]["type"],
        "images_per_class": table["images_per_class"],
        "method": method,
        "published": published[0]["accuracy"] if published else None,
        "operations": arithmetic().get(name),
    }


def _row(described: dict[str, Any]) -> list[str]:
    from idc_cli.terminal.text import operations

    published, needed = described["published"], described["operations"]
    return [
        described["name"],
        described["dataset"],
        str(described["images_per_class"]),
        described["method"],
        "" if published is None else f"{published:.1f}",
        "" if needed is None else operations(needed),
    ]
