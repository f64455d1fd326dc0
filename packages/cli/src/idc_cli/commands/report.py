"""``idc report``."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli import completion


def report(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="The folder of a finished run.", autocompletion=completion.folders
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="By default report.html in the folder.")
    ] = None,
) -> None:
    """Write the report of a finished run again, as one HTML page."""
    from idc.errors import InputError
    from idc_cli.report.page import write_page
    from idc_cli.run_folder.folder import PAGE

    path = out or run / PAGE
    try:
        write_page(run, path)
    except OSError as error:
        raise InputError(f"--out: cannot write {path} ({error.strerror}); choose another file") from None
    print(f"wrote {path}")
