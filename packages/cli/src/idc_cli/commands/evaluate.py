"""``idc evaluate``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idc_cli import completion
from idc_cli.app import Data, Device, Download, Json, ProcessCount, Quiet, SynsetFile, Timeout

if TYPE_CHECKING:
    from idc.experiment.report import Report, SynsetScores
    from idc.kinds.evaluation import Evaluation
    from idc.synset.synset import Synset

CHANGEABLE = ("compile", "dataset", "evaluate", "model", "precision", "seed")
"""What a score depends on besides the synset; the rest of its pipeline is history."""

COMPARABLE = ("compile", "evaluate", "model")
"""Those that the table of scores names, so that scores of one report may differ in them."""


def evaluate(
    file: SynsetFile,
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
        typer.Option(
            metavar="A,B,...",
            help="Architectures to train, by their types; see idc plugins.",
            autocompletion=completion.models,
        ),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Networks trained of each architecture.")
    ] = None,
    with_baselines: Annotated[
        bool, typer.Option("--baselines", help="Score the pipeline's baselines too.")
    ] = False,
    save: Annotated[
        bool, typer.Option("--save/--no-save", help="Merge the scores into the run's report.")
    ] = True,
    processes: ProcessCount = "1",
    timeout: Timeout = 30.0,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Score a synset again, with its own pipeline's evaluators."""
    from idc_cli.launch import start

    start(processes, timeout, device)

    from json import dumps

    from idc.config.overrides import parse_assignments
    from idc.errors import InputError
    from idc.experiment.scoring import on_device
    from idc.runtime import device as devices
    from idc.synset.header import locate
    from idc.synset.synset import Synset
    from idc_cli.runner.condense import pretrain
    from idc_cli.runner.load import load
    from idc_cli.runner.rescore import Rescoring, choose_models
    from idc_cli.runner.score import draw_baselines
    from idc_cli.runner.together import refuse_differences, together
    from idc_cli.terminal.progress import Display
    from idc_cli.terminal.scores import show_scores

    with together(timeout) as joined:
        display = Display(quiet=quiet, json=json, silent=not joined.first)
        settings = parse_assignments(assignments or [])
        _refuse_history(settings)
        synset = Synset.load(file)
        pipeline = choose_models(synset.pipeline.override(settings), models, runs)
        if not pipeline.evaluate:
            raise InputError(
                "evaluate: there is no evaluator in the synset's pipeline as set; name one, such as "
                """--set 'evaluate=[{type="retrain"}]'"""
            )
        chosen = devices.choose(device, joined.rank_on_machine)
        device = str(chosen)
        real = load(pipeline.dataset, data, download=download, display=display, processes=joined)
        refuse_differences(joined, pipeline, real, synset=str(synset.header.metadata()))
        # Once, rather than for every baseline and every score.
        real = real.to(chosen) if with_baselines else on_device(real, pipeline, chosen)
        if with_baselines and not pipeline.baseline:
            raise InputError("--baselines: the synset's pipeline has no [[baseline]]; leave the flag out")
        baselines = draw_baselines(pipeline, real, device, display, joined) if with_baselines else []
        for drawn in baselines:
            pretrain(drawn, display)
        rescoring = Rescoring([*(drawn.synset() for drawn in baselines), synset], real, pipeline)
        try:
            rescoring.run(device, display, joined)
        finally:
            # Also after an interruption or an error: scores that are complete are kept.
            found = rescoring.complete() if joined.first else []
            if found and json:
                print(dumps([each.model_dump(mode="json") for each in found], indent=2))
            elif found:
                show_scores(found)
            if found and save:
                display.say(_save(locate(file), synset, found, settings, pipeline.cited()))


def _save(
    path: Path,
    synset: "Synset",
    found: "Sequence[Evaluation]",
    settings: Mapping[str, object],
    papers: "Sequence[str]",
) -> str:
    """Merge scores into the report of the synset's run, or write them beside the synset.

    Returns:
        Where they are, or why they are not saved.
    """
    from idc.errors import InputError, reason_of
    from idc_cli.run_folder.folder import PIPELINE, REPORT
    from idc_cli.run_folder.lock import Lock

    other = [key for key in settings if key.split(".")[0] not in COMPARABLE]
    if other:
        return (
            f"not saved: scores with another {', '.join(other)} cannot be compared with those of the report"
        )
    folder, lock = path.parent, Lock(path.parent)
    try:
        lock.acquire()
        if (report := _report_of(path, synset)) is not None:
            kept = folder / REPORT
            report.merged(found, papers).save(kept)
            if (folder / PIPELINE).exists() and (reason := _page(folder)):
                return f"saved in {kept}, but not shown on its page ({reason})"
        else:
            kept = path.with_suffix(".evaluations.json")
            _scores_beside(kept, synset).merged(found).save(kept)
        return f"saved in {kept}"
    except (OSError, InputError) as error:
        return f"note: the scores are not saved in {folder} ({reason_of(error)})"
    finally:
        lock.release()


def _page(folder: Path) -> str:
    """Write a run's page again.

    Returns:
        Why this could not be done, or nothing.
    """
    from idc.errors import InputError, reason_of
    from idc_cli.report.page import write_page
    from idc_cli.run_folder.folder import PAGE

    try:
        write_page(folder, folder / PAGE)
    except (OSError, InputError) as error:
        return reason_of(error)
    return ""


def _scores_beside(path: Path, synset: "Synset") -> "SynsetScores":
    """The scores in a file, if they are of this synset; else none."""
    from idc.data.fingerprint import digest
    from idc.experiment.report import SynsetScores

    # In older files there is no hash.
    found = SynsetScores(tensors=synset.header.tensors or digest(synset.codes))
    if path.exists() and (earlier := SynsetScores.load(path)).tensors == found.tensors:
        found = earlier
    return found


def _report_of(path: Path, synset: "Synset") -> "Report | None":
    """The report of the run whose result a synset is; None if the folder holds no such run."""
    from idc.experiment.report import Report
    from idc_cli.run_folder.folder import REPORT, SYNSET

    if path.name != SYNSET or not (path.parent / REPORT).exists():
        return None
    report = Report.load(path.parent)
    ours = synset.header.made_by(report.method, report.budget, report.iterations)
    return report if ours else None


def _refuse_history(settings: Mapping[str, object]) -> None:
    from idc.errors import InputError

    for key in settings:
        if key.split(".")[0] not in CHANGEABLE:
            raise InputError(
                f"--set {key}: the synset is made already, so this would change nothing; allowed are keys of "
                f"{', '.join(CHANGEABLE)}"
            )
