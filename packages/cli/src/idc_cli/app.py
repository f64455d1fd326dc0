"""The command line as a whole: how it fails, and the options that subcommands share."""

import ctypes
import os
import sys
import warnings
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from idc.errors import InputError, Notice, RunError
from idc_cli.interruption import termination_interrupts

# Names and numbers of malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
NEVER, PAD = 2**31 - 1, 2**26


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for this process, unless ``IDC_ALLOCATOR=system``.

    By default glibc asks the kernel for every large tensor and gives it back when it is freed, and the kernel
    fills each page with zeros: a fifth of the time of a step on a CPU, or more. Results do not change.

    Returns:
        Whether it does now: false where the C library is not glibc.
    """
    if os.environ.get("IDC_ALLOCATOR") == "system":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, NEVER), mallopt(M_TOP_PAD, PAD)])


class Commands(TyperGroup):
    """Says what went wrong in one message: exit code 2 for bad input, 1 for a failed run, 130 for Ctrl-C."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the command line."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                # A terminal that cannot show a character shows another instead of a traceback.
                stream.reconfigure(errors="replace")
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> object:
        """Run the subcommand."""
        shown_otherwise = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *details: Any) -> None:
            if issubclass(category, Notice):
                print(f"note: {message}", file=sys.stderr)
            else:
                shown_otherwise(message, category, *details)

        warnings.showwarning = show
        keep_freed_memory()
        try:
            with termination_interrupts():
                return super().invoke(ctx)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except RunError as error:
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None
        finally:
            warnings.showwarning = shown_otherwise


app = typer.Typer(
    cls=Commands,
    help="Dataset condensation as a typed, composable pipeline.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A synset.safetensors, or the folder of a run.")]
Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", envvar="IDC_DATA", help="Folder with the dataset's files.")
]
Download = Annotated[bool, typer.Option("--download", help="Fetch a public dataset that is not there.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or another name of a torch device.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a field, e.g. decoder.factor=3; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress; only the outcome.")]


def _print_version(wanted: bool) -> None:
    if wanted:
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
