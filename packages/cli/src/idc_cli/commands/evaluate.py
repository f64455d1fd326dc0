"""``idc evaluate``: score a synset again, and keep what was found."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from idc.config.overrides import parse_assignments
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import InputError
from idc.experiment.report import Report, pooled
from idc.experiment.score import evaluate as evaluations_of
from idc.files.atomic import write_text
from idc.kinds.evaluation import Evaluation
from idc.runtime import device as devices
from idc.synset import header as artifact
from idc.synset.synset import Synset
from idc_cli.data import load
from idc_cli.folder import PAGE, PIPELINE, REPORT, SYNSET
from idc_cli.lock import Lock
from idc_cli.progress import Display
from idc_cli.scoring import drawn_baselines
from idc_cli.terminal import operations, show_scores

CHANGEABLE = ("compile", "dataset", "evaluate", "model", "precision", "seed")
"""What a score depends on beside the synset; the rest of its pipeline is history."""

COMPARABLE = ("compile", "evaluate", "model")
"""Those of them that the table of scores names, so that scores of one report may differ in them."""


def evaluate(
    file: Path,
    root: Path,
    device: str,
    assignments: Sequence[str],
    *,
    models: str | None,
    runs: int | None,
    with_baselines: bool,
    save: bool,
    download: bool,
    display: Display,
) -> None:
    """Score a synset by its own pipeline's evaluators, changed as the settings say."""
    settings = parse_assignments(assignments)
    _refuse_history(settings)
    synset = Synset.load(file)
    pipeline = _with_models(synset.pipeline.override(settings), models, runs)
    if not pipeline.evaluate:
        raise InputError(
            "evaluate: there is no evaluator in the synset's pipeline as set; name one, such as "
            """--set 'evaluate=[{type="retrain"}]'"""
        )
    data = load(pipeline.dataset, root, download=download, display=display).to(devices.choose(device))
    if with_baselines and not pipeline.baseline:
        raise InputError("--baselines: the synset's pipeline has no [[baseline]]; leave the flag out")
    drawn = drawn_baselines(pipeline, data, device, display) if with_baselines else []
    synsets, taken = [*drawn, synset], list[list[Evaluation]]()
    try:
        _score(synsets, data, pipeline, device, display, taken)
    finally:
        # What is finished is kept, however it ends.
        found = pooled(_whole(synsets, taken))
        if found and display.json:
            print(jsonlib.dumps([each.model_dump(mode="json") for each in found], indent=2))
        elif found:
            show_scores(found)
        if save and found:
            _keep(artifact.locate(file), synset, found, settings, display)


def _with_models(pipeline: Pipeline, models: str | None, runs: int | None) -> Pipeline:
    changed: dict[str, object] = {} if pipeline.evaluate else {"evaluate": [{}]}
    for position in range(len(pipeline.evaluate) or 1):
        if models is not None:
            # The pipeline's own network is meant as it is there, with its width and norm.
            own = pipeline.model.model_dump(mode="json", exclude_none=True)
            names = [name.strip() for name in models.split(",")]
            changed[f"evaluate.{position}.models"] = [
                own if name == pipeline.model.type else {"type": name} for name in names
            ]
        if runs is not None:
            changed[f"evaluate.{position}.runs"] = runs
    return pipeline if models is None and runs is None else pipeline.override(changed)


def _score(
    synsets: Sequence[Synset],
    data: RealData,
    pipeline: Pipeline,
    device: str,
    display: Display,
    taken: list[list[Evaluation]],
) -> None:
    """Score synsets, adding to what is taken of each as soon as an architecture's networks are trained."""
    work = sum(
        evaluator.operations(len(synset), synset.matched_per_class, data.spec, pipeline.model)
        for evaluator in pipeline.evaluate
        for synset in synsets
    )
    if work:
        display.mention(f"evaluate: {operations(work)} of arithmetic; fewer epochs or runs are less")
    with display.track("evaluate", len(synsets)) as track:
        for done, synset in enumerate(synsets):

            def progress(share: float, done: int = done, name: str = synset.name) -> None:
                track.update(done + share, of=name)

            taken.append([])
            for evaluation in evaluations_of(synset, data, pipeline, device=device, progress=progress):
                taken[-1].append(evaluation)


def _whole(synsets: Sequence[Synset], taken: Sequence[list[Evaluation]]) -> list[list[Evaluation]]:
    """Those evaluations that all draws of a name have: fewer draws would stand for all of them."""
    least: dict[str, int] = {}
    for synset, found in zip_longest(synsets, taken, fillvalue=[]):
        assert isinstance(synset, Synset)
        least[synset.name] = min(least.get(synset.name, len(found)), len(found))
    return [found[: least[synset.name]] for synset, found in zip(synsets, taken, strict=False)]


def _keep(
    path: Path, synset: Synset, found: list[Evaluation], settings: Mapping[str, object], display: Display
) -> None:
    """Merge scores into the report of the run that the synset is of, or write them beside it."""
    other = [key for key in settings if key.split(".")[0] not in COMPARABLE]
    if other:
        display.say(f"not saved, because {', '.join(other)} makes them incomparable to others")
        return
    folder, lock = path.parent, Lock(path.parent)
    try:
        if (folder / PIPELINE).exists():
            lock.take()
        if (report := _of_run(path, synset)) is not None:
            kept = folder / REPORT
            report.merged(found).save(kept)
            from idc_cli.page import write

            write(folder, folder / PAGE)
        else:
            kept = path.with_suffix(".evaluations.json")
            rows = jsonlib.dumps([each.model_dump(mode="json") for each in found], indent=2) + "\n"
            write_text(kept, rows)
        display.say(f"saved in {kept}")
    except (OSError, InputError) as error:
        reason = getattr(error, "strerror", None) or error
        display.say(f"note: the scores are not saved in {folder} ({reason})")
    finally:
        lock.give_up()


def _of_run(path: Path, synset: Synset) -> Report | None:
    """The report of the run that a synset is the result of; None where it is not in the folder of one."""
    if path.name != SYNSET or not (path.parent / REPORT).exists():
        return None
    report, header = Report.load(path.parent), synset.header
    same = (report.method, report.budget, report.iterations) == (
        synset.name,
        header.budget,
        header.iterations,
    )
    return report if same else None


def _refuse_history(settings: Mapping[str, object]) -> None:
    for key in settings:
        if key.split(".")[0] not in CHANGEABLE:
            raise InputError(
                f"--set {key}: the synset is made already, so this would change nothing; allowed are keys of "
                f"{', '.join(CHANGEABLE)}"
            )
