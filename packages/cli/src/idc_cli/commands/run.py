"""``idc run``: condense, score, and keep everything in a run folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from idc.condensation import checkpoint
from idc.condensation.loop import Condensation, condense
from idc.config.overrides import parse_assignments
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import RunError
from idc.experiment.report import Report
from idc.kinds.evaluation import Evaluation
from idc.runtime import device as devices
from idc.synset.provenance import versions
from idc.synset.synset import Synset
from idc_cli.condensing import condensed, refuse_without_tensorboard
from idc_cli.data import load
from idc_cli.folder import PAGE, PIPELINE, REPORT, RunFolder, default_folder
from idc_cli.interval import Interval
from idc_cli.progress import Display
from idc_cli.scoring import drawn_baselines, scores
from idc_cli.terminal import show_report
from idc_cli.typed import typed


def run(
    path: Path,
    root: Path,
    out: Path | None,
    device: str,
    assignments: Sequence[str],
    *,
    download: bool,
    classes_at_once: int | Literal["auto"],
    checkpoint_every: Interval,
    resume: bool,
    overwrite: bool,
    tensorboard: bool,
    display: Display,
) -> None:
    """Condense, save, score, report."""
    if tensorboard:
        refuse_without_tensorboard()
    settings = parse_assignments(assignments)
    pipeline = Pipeline.load(path, settings)
    chosen = devices.choose(device)
    with RunFolder(out or default_folder(pipeline.name, settings), pipeline) as folder:
        if not overwrite and (report := folder.finished()):
            if not (folder / PAGE).exists():
                _write_page(folder, display)
            show_report(report, json=display.json)
            display.say(f"{folder.path} holds this run, finished; --overwrite runs it again")
            return
        begun = folder.checkpoint() if resume else None
        if not (resume or overwrite):
            folder.refuse_earlier()

        # Once, rather than for every baseline and every score.
        data = load(pipeline.dataset, root, download=download, display=display).to(chosen)
        device = str(chosen)
        condensation = condense(pipeline, data, device=device, classes_at_once=classes_at_once)
        if begun is not None:
            checkpoint.restore(begun, condensation)
        # Before anything is written, because a baseline may not fit the data either.
        contenders = drawn_baselines(pipeline, data, device, display)
        spent = 0.0
        if begun is None:
            folder.begin(replace=resume or overwrite)
        else:
            spent = begun.header.seconds
            folder.go_on(condensation.iteration)
            done, of = condensation.steps_done, len(condensation)
            display.say(f"going on after {done:,} of {of:,} steps, {condensation.iteration} iterations")
        if condensation.memory is not None:
            how = "compiled, which takes a minute first" if condensation.computed.compiled else "eager"
            held = f"{condensation.memory / 1e9:.2g} GB"
            display.mention(
                f"condense: {len(condensation):,} steps, {how}; a match takes {held} of memory at most"
            )

        again = ["idc", "run", folder / PIPELINE, "--out", folder.path, "--data", root, "--device", device]
        again += ["--classes-at-once", classes_at_once]
        again += ["--tensorboard"] if tensorboard else []
        going_on = typed([*again, "--checkpoint-every", checkpoint_every, "--resume"])
        try:
            synset, spent = condensed(
                condensation, folder, checkpoint_every, spent, display, tensorboard=tensorboard
            )
            began = time.monotonic()
            scored = scores([*contenders, synset], data, pipeline, device, folder, display)
        except KeyboardInterrupt:
            display.say(f"go on with: {going_on}")
            raise
        seconds = {"condense": spent, "evaluate": time.monotonic() - began}
        report = _report(condensation, data, synset, device, seconds, *scored)
        try:
            report.save(folder / REPORT)
        except OSError as error:
            raise RunError(
                f"{folder / REPORT} cannot be written ({error.strerror}); make room, and {going_on}"
            ) from None
        _write_page(folder, display)
        show_report(report, json=display.json)
        if not display.json:
            print(f"saved in {folder.path}")


def _report(
    condensation: Condensation,
    data: RealData,
    synset: Synset,
    device: str,
    seconds: dict[str, float],
    evaluations: Sequence[Evaluation],
    snapshots: Sequence[Evaluation],
) -> Report:
    pipeline = condensation.pipeline
    return Report(
        name=pipeline.name,
        method=pipeline.method,
        classes=data.spec.classes,
        images_per_class=pipeline.images_per_class,
        budget=synset.header.budget,
        iterations=synset.header.iterations,
        device=device,
        computed=condensation.computed,
        seconds={phase: round(each, 3) for phase, each in seconds.items()},
        versions=versions(),
        evaluations=tuple(evaluations),
        snapshots=tuple(snapshots),
        published=pipeline.published,
    )


def _write_page(folder: RunFolder, display: Display) -> None:
    # Not at the top: what draws plots takes a second to import, which the first iteration need not wait for.
    from idc_cli.page import write

    try:
        write(folder.path, folder / PAGE)
    except OSError as error:
        display.say(f"note: {folder / PAGE} cannot be written ({error.strerror}); going on")
