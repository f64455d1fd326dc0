"""The application: its exit codes, and the options that subcommands share."""

import errno
import os
import signal
import sys
import warnings
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from idc_cli import completion
from idc_cli.allocator import keep_freed_memory
from idc_cli.interruption import SIGNALS, interruptible

NOT_LOOKED_AT = {
    errno.ENAMETOOLONG: "a name may not be so long; give a shorter one",
    errno.EACCES: "its folder may not be read; give a path that you may read",
}
"""Why it cannot be known whether a file exists, and what to do."""


class Commands(TyperGroup):
    """Reports an error in one message: exit code 2 for bad input, 1 for a failed run, 130 for Ctrl-C."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A terminal that cannot show a character shows another instead of a traceback.
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> object:
        """Run the subcommand."""
        # Not at the top: it imports pydantic, which `idc --help` does not need.
        from idc.errors import InputError, LostProcessError, Notice, OtherProcessError, RunError
        from idc.runtime.place import FILE, LOST, place

        show_warning = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *details: Any) -> None:
            if issubclass(category, Notice):
                print(f"note: {message}", file=sys.stderr)
            else:
                show_warning(message, category, *details)

        warnings.showwarning = show
        keep_freed_memory()
        try:
            with interruptible():
                if FILE in os.environ:
                    # `launch` blocked them until now.
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                return super().invoke(ctx)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except OtherProcessError as error:
            raise typer.Exit(error.code) from None
        except RunError as error:
            print(f"error: {error}", file=sys.stderr)
            lost = isinstance(error, LostProcessError) and FILE in os.environ
            raise typer.Exit(LOST if lost else 1) from None
        except OSError as error:
            # From whatever looks first whether there is such a file; other reasons are told where they arise.
            if error.errno not in NOT_LOOKED_AT:
                raise
            print(f"error: {error.filename}: {NOT_LOOKED_AT[error.errno]}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            if place().rank == 0:
                print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None
        finally:
            warnings.showwarning = show_warning


app = typer.Typer(
    cls=Commands,
    help="Dataset condensation as a typed, composable pipeline.",
    epilog="To begin: idc run digits --processes auto",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Help as plain text: to render it, rich imports a Markdown parser, which takes longer than all the rest.
    rich_markup_mode=None,
)


def _refuse_missing(path: Path) -> Path:
    # Before torch is imported, which takes seconds.
    from idc.config.presets import file_or_preset, missing

    if not file_or_preset(path).exists():
        raise missing(path)
    return path


PipelineFile = Annotated[
    Path,
    typer.Argument(
        metavar="PIPELINE",
        help="A pipeline file (TOML), or the name of a preset.",
        autocompletion=completion.pipelines,
        callback=_refuse_missing,
    ),
]
SynsetFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="A synset.safetensors, or the folder of a run.",
        autocompletion=completion.synsets,
    ),
]
Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", envvar="IDC_DATA", help="Folder with the dataset's files.")
]
Download = Annotated[bool, typer.Option("--download", help="Download a public dataset if it is missing.")]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda or another name of a torch device.", autocompletion=completion.devices
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a field, e.g. decoder.factor=3; repeatable.",
        autocompletion=completion.settings,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ProcessCount = Annotated[
    str,
    typer.Option(
        "--processes",
        metavar="N|auto",
        help="Processes to start on this machine; auto: one for each GPU or core.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option("--timeout", metavar="MINUTES", help="Longest wait for a process that shows no progress."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print the outcome only, no progress.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        # Not at the top: parsing the metadata of distributions takes a while to import.
        from importlib.metadata import version

        print(f"idc {version('idc-cli')} (idc-core {version('idc-core')}, torch {version('torch')})")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print versions and exit."),
    ] = False,
) -> None:
    pass
