"""The ``idc`` command: what each subcommand takes; the work is done in the modules beside this one.

Nothing that needs torch is imported before a subcommand needs it, so that ``--help``, ``plugins`` and
``inspect`` answer at once.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from idc.errors import InputError
from idc_cli import file_commands
from idc_cli.app import Data, Device, Download, File, Json, Quiet, Set, app

__all__ = ["app", "file_commands"]


def _count_or_auto(text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or not int(text):
        raise InputError(f"--classes-at-once: {text!r} is not allowed; it must be auto or a number from 1")
    return int(text)


@app.command()
def run(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (TOML).")],
    data: Data = Path("data"),
    download: Download = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Run folder; by default in runs/, named after the pipeline and what was set."
        ),
    ] = None,
    device: Device = "auto",
    assignments: Set = None,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only validate, and say what the run would take.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the curves for TensorBoard too, if it is installed.")
    ] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Condense a dataset, score the result beside its baselines, and keep everything in a run folder."""
    from idc_cli.interval import Interval
    from idc_cli.progress import Display

    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other; give one of them")
    display = Display(quiet=quiet, json=json)
    at_once, interval = _count_or_auto(classes_at_once), Interval.parse(checkpoint_every)
    if dry_run:
        from idc_cli.estimate import estimate as show

        show(
            pipeline,
            data,
            device,
            assignments or [],
            download=download,
            trial=False,
            display=display,
            folder=out,
            replace=resume or overwrite,
        )
        return
    from idc_cli.run import run as start

    start(
        pipeline,
        data,
        out,
        device,
        assignments or [],
        download=download,
        classes_at_once=at_once,
        checkpoint_every=interval,
        resume=resume,
        overwrite=overwrite,
        tensorboard=tensorboard,
        display=display,
    )


@app.command()
def estimate(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (TOML).")],
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Set = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Say what a run would store and take, after two steps of it; nothing is kept."""
    from idc_cli.estimate import estimate as show
    from idc_cli.progress import Display

    display = Display(quiet=quiet, json=json)
    show(pipeline, data, device, assignments or [], download=download, trial=True, display=display)


@app.command()
def pretrain(
    pipeline: Annotated[Path, typer.Argument(metavar="PIPELINE", help="A pipeline file (TOML).")],
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Set = None,
    quiet: Quiet = False,
) -> None:
    """Train the networks that a pipeline's condensation starts from, where it asks for pretrained ones."""
    from idc_cli.pretrain import pretrain as make
    from idc_cli.progress import Display

    make(pipeline, data, device, assignments or [], download=download, display=Display(quiet=quiet))


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
    models: Annotated[
        str | None,
        typer.Option(metavar="A,B,...", help="Architectures to train, by their types; see idc plugins."),
    ] = None,
    runs: Annotated[int | None, typer.Option(metavar="N", min=1, help="Networks trained of each.")] = None,
    with_baselines: Annotated[
        bool, typer.Option("--baselines", help="Score the pipeline's baselines too.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Merge the scores into the run's report.")
    ] = True,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Score a synset again, by the evaluators of the pipeline it carries."""
    from idc_cli.evaluate import evaluate as score
    from idc_cli.progress import Display

    score(
        file,
        data,
        device,
        assignments or [],
        models=models,
        runs=runs,
        with_baselines=with_baselines,
        save=save,
        download=download,
        display=Display(quiet=quiet, json=json),
    )


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    html: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Also write a page with plots.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the scores of several runs as one table."""
    from idc_cli.compare import compare as tabulate

    tabulate(runs, html, json=json)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    out: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="By default report.html in the folder.")
    ] = None,
) -> None:
    """Write the report of a finished run anew: one page, readable without a network."""
    from idc_cli.page import report as write

    write(run, out)


@app.command()
def plugins(json: Json = False) -> None:
    """List every installed stage type and the distribution it comes from; none is imported."""
    from idc_cli.plugins import plugins as show

    show(json=json)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="decoder or objective.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What a pipeline writes as type: my-decoder.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="By default idc-NAME.")] = None,
) -> None:
    """Begin a plugin of your own: an installable package with a class, its test and a pipeline."""
    from idc_cli.new import new as begin

    begin(kind, name, out)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a pipeline file with all installed types, for editors."""
    import json

    from idc.config.pipeline import Pipeline

    print(json.dumps(Pipeline.model_json_schema(), indent=2))
