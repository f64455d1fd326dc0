"""``idc run``: the caller that drives a condensation and keeps what comes of it."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from idc import artifact
from idc import device as devices
from idc.data import RealData
from idc.engine import Condensation, condense
from idc.evaluation import baselines, evaluate
from idc.overrides import parse_assignments
from idc.pipeline import Pipeline
from idc.report import Evaluation, Report, pooled
from idc.shapes import Scalar
from idc.synset import Synset
from idc_cli.data import load
from idc_cli.folder import PICTURE, REPORT, SYNSET, RunFolder
from idc_cli.progress import Track
from idc_cli.terminal import say, show_report


def run(
    path: Path,
    root: Path,
    out: Path | None,
    device: str,
    assignments: Sequence[str],
    *,
    download: bool,
    classes_at_once: int | Literal["auto"],
    overwrite: bool,
    quiet: bool,
) -> None:
    """Condense, save, score, report."""
    console = Console(stderr=True)
    pipeline = Pipeline.load(path, parse_assignments(assignments))
    chosen = devices.choose(device)
    folder = RunFolder(out or Path("runs") / pipeline.name, pipeline)
    if not overwrite:
        if report := folder.finished():
            show_report(report)
            say(console, f"{folder.path} holds this run, finished; --overwrite runs it again")
            return
        folder.refuse_earlier()

    # Once, rather than for every baseline and every score.
    device, data = str(chosen), load(pipeline.dataset, root, download=download, quiet=quiet).to(chosen)
    condensation = condense(pipeline, data, device=device, classes_at_once=classes_at_once)
    # Before anything is written, because a baseline may not fit the data either.
    contenders = _baselines(pipeline, data, device, console, quiet=quiet)
    folder.begin()
    if condensation.memory is not None and not quiet:
        how = "compiled, which takes a minute first" if condensation.computed.compiled else "eager"
        steps = f"{len(condensation):,} steps, {how}"
        say(console, f"condense: {steps}; a match takes {condensation.memory / 1e9:.2g} GB of memory at most")

    began = time.monotonic()
    synset = _condensed(condensation, folder, console, quiet=quiet)
    condensed = time.monotonic()
    evaluations = _scores([*contenders, synset], data, pipeline, device, folder, console, quiet=quiet)
    seconds = {"condense": condensed - began, "evaluate": time.monotonic() - condensed}
    report = Report(
        name=pipeline.name,
        method=pipeline.method,
        classes=data.spec.classes,
        images_per_class=pipeline.images_per_class,
        budget=synset.header.budget,
        iterations=synset.header.iterations,
        device=device,
        computed=condensation.computed,
        seconds={phase: round(spent, 3) for phase, spent in seconds.items()},
        versions=artifact.versions(),
        evaluations=tuple(evaluations),
    )
    report.save(folder / REPORT)
    show_report(report)
    say(Console(), f"saved in {folder.path}")


def _baselines(
    pipeline: Pipeline, data: RealData, device: str, console: Console, *, quiet: bool
) -> list[Synset]:
    draws = [baseline.name for baseline in pipeline.baseline for _ in range(baseline.draws)]
    if not draws or not pipeline.evaluate:
        return []
    found: list[Synset] = []
    if not quiet:
        # Some train a network on all real images for it, which takes a while without a word.
        say(console, f"choose baselines: {', '.join(dict.fromkeys(draws))}")
    with Track(console, "choose baselines", len(draws), quiet=quiet) as track:
        track.update(0, draws[0])
        for synset in baselines(pipeline, data, device=device):
            found.append(synset)
            track.update(len(found), ", ".join(draws[len(found) : len(found) + 1]))
    return found


def _condensed(condensation: Condensation, folder: RunFolder, console: Console, *, quiet: bool) -> Synset:
    try:
        _drive(condensation, folder, console, quiet=quiet)
    except KeyboardInterrupt:
        condensation.synset().save(folder / SYNSET)
        done = f"{condensation.iteration} of {condensation.pipeline.iterations} iterations"
        say(console, f"stopped after {done}; the codes so far are in {folder / SYNSET}")
        raise
    synset = condensation.synset()
    synset.save(folder / SYNSET)
    # Not at the top: torchvision takes seconds to import, which the first iteration need not wait for.
    from idc import pictures

    pictures.save(pictures.grid(synset), folder / PICTURE)
    return synset


def _drive(condensation: Condensation, folder: RunFolder, console: Console, *, quiet: bool) -> None:
    plan, began = condensation.pipeline, time.monotonic()
    pending: list[Scalar] = []
    with Track(console, "condense", max(len(condensation), 1), quiet=quiet) as track:
        for done, step in enumerate(condensation, start=1):
            pending.append(step.loss)
            if track.due():
                where = f"iteration {step.iteration + 1}/{plan.iterations}"
                track.update(done, f"{where}, loss {float(step.loss):.4g}, {track.rate(done):.3g} steps/s")
            if step.inner_step == plan.inner_steps - 1:
                folder.log(
                    phase="condense",
                    iteration=step.iteration + 1,
                    loss=float(torch.stack(pending).mean()),
                    seconds=round(time.monotonic() - began, 3),
                )
                pending.clear()


def _scores(
    contenders: Sequence[Synset],
    data: RealData,
    pipeline: Pipeline,
    device: str,
    folder: RunFolder,
    console: Console,
    *,
    quiet: bool,
) -> list[Evaluation]:
    if not pipeline.evaluate:
        say(
            console,
            "nothing is scored, because the pipeline has no [[evaluate]] table; add one with "
            'type = "retrain"',
        )
        return []
    found: list[list[Evaluation]] = []
    try:
        with Track(console, "evaluate", len(contenders), quiet=quiet) as track:
            for done, contender in enumerate(contenders):

                def progress(share: float, done: int = done, name: str = contender.name) -> None:
                    track.update(done + share, name)

                found.append([])
                for evaluation in evaluate(contender, data, pipeline, device=device, progress=progress):
                    found[-1].append(evaluation)
                    folder.log(phase="evaluate", **evaluation.model_dump(mode="json"))
    except KeyboardInterrupt:
        say(console, f"the synset is complete; score it with: idc evaluate {folder.path}")
        raise
    return pooled(found)
