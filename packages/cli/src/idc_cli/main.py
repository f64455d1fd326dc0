"""The ``idc`` command: what each subcommand takes; the work is done in the modules beside this one.

Nothing that needs torch is imported before a subcommand needs it, so that ``--help``, ``plugins`` and
``inspect`` answer at once.
"""

import sys
import warnings
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from idc.allocator import Allocator, keep_memory
from idc.errors import InputError, Notice, RunError
from idc_cli.interruption import termination_interrupts


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


def _set_allocator(wanted: Allocator) -> Allocator:
    if wanted == "keep" and not keep_memory():
        print("note: only glibc can keep memory; the allocator stays as it is", file=sys.stderr)
    return wanted


Memory = Annotated[
    Allocator,
    typer.Option(
        "--allocator",
        envvar="IDC_ALLOCATOR",
        callback=_set_allocator,
        help="keep: freed memory stays with the process, which makes CPU runs faster (glibc only).",
    ),
]


def _count_or_auto(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not int(text):
        raise InputError(f"--classes-at-once: {text!r} is not allowed; it must be auto or a number from 1")
    return int(text)


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


@app.command()
def run(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (TOML).")],
    data: Data = Path("data"),
    download: Download = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; by default runs/<pipeline name>.")
    ] = None,
    device: Device = "auto",
    assignments: Set = None,
    allocator: Memory = "system",
    classes_at_once: Annotated[
        str,
        typer.Option(
            metavar="N", help="Classes matched in one call; auto: as many as a GPU's free memory holds."
        ),
    ] = "1",
    checkpoint_every: Annotated[
        str, typer.Option(metavar="N|Nm", help="Iterations, or minutes (5m), between checkpoints.")
    ] = "5m",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that the folder holds, if it holds one.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the run that the folder holds.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress; only the outcome.")] = False,
) -> None:
    """Condense a dataset, score the result beside its baselines, and keep everything in a run folder."""
    from idc_cli.interval import Interval
    from idc_cli.run import run as start

    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other; give one of them")
    start(
        pipeline,
        data,
        out,
        device,
        assignments or [],
        download=download,
        classes_at_once=_count_or_auto(classes_at_once),
        checkpoint_every=Interval.parse(checkpoint_every),
        resume=resume,
        overwrite=overwrite,
        quiet=quiet,
    )


@app.command()
def pretrain(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (TOML).")],
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Set = None,
    allocator: Memory = "system",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train the networks that a pipeline's condensation starts from, where it asks for pretrained ones."""
    from idc_cli.pretrain import pretrain as make

    make(pipeline, data, device, assignments or [], download=download, quiet=quiet)


@app.command()
def inspect(
    file: File,
    json: Json = False,
    image: Annotated[
        Path | None,
        typer.Option(metavar="OUT.png", help="Also write a picture of the images, a row a class."),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write spectrograms as wavs, a folder a class.")
    ] = None,
) -> None:
    """Print what a synset is and how it was made; no plugin is imported for it."""
    from idc_cli.inspect import inspect as show

    show(file, image, audio, json=json)


@app.command()
def verify(file: File) -> None:
    """Compare a synset's tensors with the hash in its header."""
    from idc_cli.exchange import verify as compare_hashes

    compare_hashes(file)


@app.command(name="import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.pt", help="[images, labels] (IDC), or DC's dictionary.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The synset to write.")],
    pipeline: Annotated[
        Path, typer.Option(metavar="PIPELINE", help="What scores it: its evaluators, model and dataset.")
    ],
    mean: Annotated[str, typer.Option(metavar="X,...", help="Of the normalisation, one for each channel.")],
    std: Annotated[str, typer.Option(metavar="X,...", help="Likewise.")],
    low: Annotated[float, typer.Option(help="Lowest value before normalisation.")],
    high: Annotated[
        float | None, typer.Option(help="Highest value before normalisation; none where there is none.")
    ] = None,
    normalised: Annotated[
        bool, typer.Option("--normalised", help="The file's images are normalised.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(metavar="NAME,...", help="In the order of the labels.")
    ] = None,
    method: Annotated[str, typer.Option(help="What reports call it.")] = "imported",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Make a synset of a public code's result; nothing in the file is executed."""
    from idc_cli.exchange import import_ as make

    make(
        file,
        out,
        pipeline,
        low=low,
        high=high,
        mean=mean,
        std=std,
        normalised=normalised,
        classes=classes,
        method=method,
        overwrite=overwrite,
    )


@app.command()
def export(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .pt or .npz file, or a folder for PNGs.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT.")] = False,
) -> None:
    """Write a synset's decoded images for other codes."""
    from idc_cli.exchange import export as write

    write(file, out, overwrite=overwrite)


@app.command()
def evaluate(
    file: File,
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change a field of evaluate, model, dataset, seed, precision or compile, "
            "e.g. evaluate.0.runs=3; repeatable.",
        ),
    ] = None,
    allocator: Memory = "system",
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress; only the outcome.")] = False,
) -> None:
    """Score a synset again, by the evaluators of the pipeline it carries."""
    from idc_cli.evaluate import evaluate as score

    score(file, data, device, assignments or [], download=download, json=json, quiet=quiet)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")], json: Json = False
) -> None:
    """Print the scores of several runs as one table."""
    from idc_cli.compare import compare as tabulate

    tabulate(runs, json=json)


@app.command()
def cache(
    empty: Annotated[bool, typer.Option("--empty", help="Remove them all.")] = False, json: Json = False
) -> None:
    """List the prepared datasets that the cache folder keeps; IDC_CACHE names another folder."""
    from idc_cli.cache import cache as show

    show(empty=empty, json=json)


@app.command()
def plugins(json: Json = False) -> None:
    """List every installed stage type and the distribution it comes from; none is imported."""
    from idc_cli.plugins import plugins as show

    show(json=json)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a pipeline file with all installed types, for editors."""
    import json

    from idc.pipeline import Pipeline

    print(json.dumps(Pipeline.model_json_schema(), indent=2))
