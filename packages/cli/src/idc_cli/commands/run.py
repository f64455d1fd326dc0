"""``idc run``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from idc_cli.app import Data, Device, Download, Json, PipelineFile, ProcessCount, Quiet, Set, Timeout

if TYPE_CHECKING:
    from idc_cli.run_folder.folder import RunFolder
    from idc_cli.terminal.progress import Display


def run(
    pipeline: PipelineFile,
    data: Data = Path("data"),
    download: Download = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run folder; by default in runs/, named after the pipeline and what was set but iterations.",
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
        bool, typer.Option("--resume", help="Resume the run in the folder, or start one if there is none.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only validate, and print what the run would store.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the curves for TensorBoard, if it is installed.")
    ] = False,
    processes: ProcessCount = "1",
    timeout: Timeout = 30.0,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Condense a dataset and score it beside its baselines.

    Everything is kept in a run folder.
    """
    import time

    from idc_cli.launch import counted, start

    if not dry_run:
        start(processes, timeout, device)
    count = counted(processes, device)
    from idc.condensation import checkpoint
    from idc.condensation.loop import condense
    from idc.config.overrides import parse_assignments
    from idc.config.pipeline import Pipeline
    from idc.errors import InputError, RunError
    from idc.experiment.report import Report
    from idc.runtime import device as devices
    from idc_cli.run_folder.folder import PAGE, REPORT, RunFolder, default_folder
    from idc_cli.runner.condense import condense_in_folder, refuse_without_tensorboard
    from idc_cli.runner.estimate import show_estimate
    from idc_cli.runner.interval import Interval
    from idc_cli.runner.load import load
    from idc_cli.runner.score import draw_baselines, score_run
    from idc_cli.runner.together import refuse_differences, together
    from idc_cli.terminal.progress import Display
    from idc_cli.terminal.scores import show_report

    with together(timeout) as joined:
        display = Display(quiet=quiet, json=json, silent=not joined.first)
        if resume and overwrite:
            raise InputError("--resume and --overwrite exclude each other; give one of them")
        at_once, interval = _count_or_auto(classes_at_once), Interval.parse(checkpoint_every)
        settings = parse_assignments(assignments or [])
        if tensorboard and not dry_run:
            refuse_without_tensorboard()
        plan = Pipeline.load(pipeline, settings)
        path = out or default_folder(plan.name, settings)
        if dry_run:
            if not (resume or overwrite):
                _mention_earlier_run(RunFolder(path, plan), display)
            if joined.first:
                show_estimate(
                    plan, data, device, download=download, trial=False, processes=count, display=display
                )
            return

        chosen = devices.choose(device, joined.rank_on_machine)
        with RunFolder(path, plan, writes=joined.first) as folder:
            report = None if overwrite else folder.finished()
            # As the first process sees it, before it writes anything.
            if joined.told(report is not None)[0]:
                if report is not None and joined.first:
                    if not (folder / PAGE).exists():
                        _write_page(folder, display)
                    show_report(report, json=json)
                    display.say(f"{path} holds this run, finished; --overwrite runs it again")
                return
            earlier = folder.checkpoint() if resume else None
            if not (resume or overwrite):
                folder.refuse_earlier()

            # Once, rather than for every baseline and every score.
            real = load(plan.dataset, data, download=download, display=display, processes=joined).to(chosen)
            begun = earlier.header.tensors if earlier is not None else "none"
            refuse_differences(joined, plan, real, checkpoint=begun)
            condensation = condense(plan, real, device=str(chosen), classes_at_once=at_once, processes=joined)
            begun_before = earlier and earlier.header
            if earlier is not None:
                checkpoint.restore(earlier, condensation)
                # It holds the codes of all classes.
                del earlier
            # Before anything is written, because a baseline may not fit the data either.
            baselines = draw_baselines(plan, real, str(chosen), display, joined)
            spent = 0.0
            if begun_before is None:
                folder.start(replace=resume or overwrite)
            else:
                spent = begun_before.seconds
                folder.resume(condensation.iteration)
                done, total = condensation.steps_done, len(condensation)
                iterations = f"{condensation.iteration:,} of {condensation.iterations:,} iterations are done"
                display.say(f"resuming at inner step {done:,} of {total:,}; {iterations}")
            if condensation.group.memory is not None:
                how = "compiled, which takes a minute first" if condensation.computed.compiled else "eager"
                held = f"{condensation.group.memory / 1e9:.2g} GB"
                display.mention(
                    f"condense: {len(condensation):,} inner steps, {how}; matching takes {held} of memory "
                    "at most"
                )

            again = _resume_line(
                folder,
                data,
                str(chosen) if joined.count == 1 else device,
                classes_at_once,
                interval,
                processes,
                tensorboard=tensorboard,
            )
            try:
                synset, spent = condense_in_folder(
                    condensation, folder, interval, spent, display, tensorboard=tensorboard
                )
                started = time.monotonic()
                contenders = [*(drawn.synset() for drawn in baselines), synset]
                scores, of_snapshots = score_run(contenders, real, plan, str(chosen), folder, display, joined)
            except KeyboardInterrupt:
                display.say(f"resume with: {again}")
                raise
            pretraining = folder.log.pretraining_seconds()
            seconds = {"pretrain": pretraining} if pretraining else {}
            seconds |= {"condense": spent, "evaluate": time.monotonic() - started}
            if not joined.first:
                return
            report = Report.of(
                synset.header, scores, seconds=seconds, snapshots=of_snapshots, papers=plan.cited()
            )
            try:
                report.save(folder / REPORT)
            except OSError as error:
                raise RunError(
                    f"{folder / REPORT} cannot be written ({error.strerror}); free some space and resume "
                    f"with: {again}"
                ) from None
            _write_page(folder, display)
            show_report(report, json=json)
            if not json:
                print(f"saved in {path}")


def _count_or_auto(text: str) -> int | Literal["auto"]:
    from idc.errors import InputError

    if text == "auto":
        return "auto"
    if not text.isdecimal() or not int(text):
        raise InputError(f"--classes-at-once: {text!r} is not allowed; it must be auto or a number from 1")
    return int(text)


def _mention_earlier_run(folder: "RunFolder", display: "Display") -> None:
    from idc.errors import InputError

    try:
        if folder.finished() is None:
            folder.refuse_earlier()
        else:
            display.say(f"note: {folder.path} holds this run, finished; --overwrite would run it again")
    except InputError as error:
        display.say(f"note: the run would be refused: {error}")


def _resume_line(
    folder: "RunFolder",
    data: Path,
    device: str,
    classes_at_once: str,
    checkpoint_every: object,
    processes: str,
    *,
    tensorboard: bool,
) -> str:
    from idc_cli.run_folder.folder import PIPELINE
    from idc_cli.terminal.shell import shell_line

    words = ["idc", "run", folder / PIPELINE, "--out", folder.path, "--data", data, "--device", device]
    words += ["--classes-at-once", classes_at_once]
    words += ["--processes", processes] if processes != "1" else []
    words += ["--tensorboard"] if tensorboard else []
    return shell_line([*words, "--checkpoint-every", checkpoint_every, "--resume"])


def _write_page(folder: "RunFolder", display: "Display") -> None:
    # Not earlier: Matplotlib takes a second to import, which the first iteration need not wait for.
    from idc_cli.report.page import write_page
    from idc_cli.run_folder.folder import PAGE

    try:
        write_page(folder.path, folder / PAGE)
    except OSError as error:
        display.say(f"note: {folder / PAGE} cannot be written ({error.strerror}); the run continues")
