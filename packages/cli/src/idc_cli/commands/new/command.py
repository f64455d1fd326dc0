"""``idc new``."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli import completion


def new(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help="decoder or objective.", autocompletion=completion.plugin_kinds),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its type in pipelines, such as my-decoder.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="An absent or empty folder; by default idc-NAME.")
    ] = None,
) -> None:
    """Create a plugin package: a class, its test and a pipeline."""
    from idc.errors import InputError
    from idc_cli.commands.new.plugin import next_commands, plugin_files, write_files

    files = plugin_files(kind, name)
    folder = out or Path(f"idc-{name}")
    try:
        write_files(folder, files)
    except OSError as error:
        raise InputError(f"--out: cannot write {folder} ({error.strerror}); choose another folder") from None
    print(f"wrote {folder}; next:")
    for command in next_commands(folder, name):
        print(f"  {command}")
