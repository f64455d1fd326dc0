"""``idc run``: the caller that drives a condensation and keeps what comes of it."""

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console

from idc import allocator, artifact, checkpoint
from idc import device as devices
from idc.data import RealData
from idc.engine import Condensation, condense
from idc.errors import RunError
from idc.evaluation import baselines, evaluate
from idc.overrides import parse_assignments
from idc.pipeline import Pipeline
from idc.report import Evaluation, Report, pooled
from idc.shapes import Scalar
from idc.synset import Synset
from idc_cli.data import load
from idc_cli.folder import PICTURE, PIPELINE, REPORT, SYNSET, RunFolder
from idc_cli.interruption import asked_to_stop
from idc_cli.interval import Interval
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
    checkpoint_every: Interval,
    resume: bool,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Condense, save, score, report."""
    console = Console(stderr=True)
    pipeline = Pipeline.load(path, parse_assignments(assignments))
    chosen = devices.choose(device)
    with RunFolder(out or Path("runs") / pipeline.name, pipeline) as folder:
        if not overwrite and (report := folder.finished()):
            show_report(report)
            say(console, f"{folder.path} holds this run, finished; --overwrite runs it again")
            return
        begun = folder.checkpoint() if resume else None
        if not (resume or overwrite):
            folder.refuse_earlier()

        # Once, rather than for every baseline and every score.
        device, data = str(chosen), load(pipeline.dataset, root, download=download, quiet=quiet).to(chosen)
        condensation = condense(pipeline, data, device=device, classes_at_once=classes_at_once)
        if begun is not None:
            checkpoint.restore(begun, condensation)
        # Before anything is written, because a baseline may not fit the data either.
        contenders = _baselines(pipeline, data, device, console, quiet=quiet)
        spent = 0.0
        if begun is None:
            folder.begin(replace=resume or overwrite)
        else:
            spent = begun.facts.seconds
            folder.go_on(condensation.iteration)
            done, of = condensation.steps_done, len(condensation)
            say(console, f"going on after {done:,} of {of:,} steps, {condensation.iteration} iterations")
        if condensation.memory is not None and not quiet:
            how = "compiled, which takes a minute first" if condensation.computed.compiled else "eager"
            steps = f"{len(condensation):,} steps, {how}"
            say(
                console,
                f"condense: {steps}; a match takes {condensation.memory / 1e9:.2g} GB of memory at most",
            )

        again = ["idc", "run", folder / PIPELINE, "--out", folder.path, "--data", root, "--device", device]
        again += ["--classes-at-once", classes_at_once, "--allocator", allocator.chosen()]
        going_on = shlex.join([*map(str, again), "--checkpoint-every", str(checkpoint_every), "--resume"])
        try:
            condensed, spent = _condensed(condensation, folder, checkpoint_every, spent, console, quiet=quiet)
            began = time.monotonic()
            evaluations = _scores(
                [*contenders, condensed], data, pipeline, device, folder, console, quiet=quiet
            )
        except KeyboardInterrupt:
            say(console, f"go on with: {going_on}")
            raise
        seconds = {"condense": spent, "evaluate": time.monotonic() - began}
        report = Report(
            name=pipeline.name,
            method=pipeline.method,
            classes=data.spec.classes,
            images_per_class=pipeline.images_per_class,
            budget=condensed.header.budget,
            iterations=condensed.header.iterations,
            device=device,
            computed=condensation.computed,
            seconds={phase: round(each, 3) for phase, each in seconds.items()},
            versions=artifact.versions(),
            evaluations=tuple(evaluations),
        )
        try:
            report.save(folder / REPORT)
        except OSError as error:
            raise RunError(
                f"{folder / REPORT} cannot be written ({error.strerror}); make room, and {going_on}"
            ) from None
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


def _condensed(
    condensation: Condensation,
    folder: RunFolder,
    checkpoint_every: Interval,
    spent: float,
    console: Console,
    *,
    quiet: bool,
) -> tuple[Synset, float]:
    """The synset, and the seconds it took altogether."""
    began = time.monotonic() - spent
    try:
        _drive(condensation, folder, checkpoint_every, began, console, quiet=quiet)
    except KeyboardInterrupt:
        done = f"{condensation.iteration} of {condensation.pipeline.iterations} iterations"
        _saved(condensation, folder, time.monotonic() - began)
        say(console, f"stopped after {done}; the codes so far are in {folder / SYNSET}")
        raise
    except RunError as error:
        _saved(condensation, folder, time.monotonic() - began)
        raise RunError(f"{error}, and are in {folder / SYNSET}") from error
    spent = time.monotonic() - began
    # So that more iterations can follow, and an interrupted evaluation need not condense again.
    folder.keep(condensation, spent)
    synset = _saved(condensation, folder, spent)
    # Not at the top: torchvision takes seconds to import, which the first iteration need not wait for.
    from idc import pictures

    try:
        pictures.save(pictures.grid(synset), folder / PICTURE)
    except OSError as error:
        say(console, f"note: {folder / PICTURE} cannot be written ({error.strerror}); going on")
    return synset, spent


def _saved(condensation: Condensation, folder: RunFolder, seconds: float) -> Synset:
    synset = condensation.synset(seconds, artifact.commit())
    try:
        synset.save(folder / SYNSET)
    except OSError as error:
        raise RunError(
            f"{folder / SYNSET} cannot be written ({error.strerror}); make room and go on with --resume"
        ) from None
    return synset


def _drive(
    condensation: Condensation,
    folder: RunFolder,
    checkpoint_every: Interval,
    began: float,
    console: Console,
    *,
    quiet: bool,
) -> None:
    plan, before = condensation.pipeline, condensation.steps_done
    due = checkpoint_every.started(condensation.iteration)
    pending: list[Scalar] = []
    title, total = "condense", max(len(condensation), 1)
    with (
        Track(console, title, total, quiet=quiet, before=before) as track,
        asked_to_stop() as stopping,
    ):
        for step in condensation:
            pending.append(step.loss)
            if track.due():
                where = f"iteration {step.iteration + 1}/{plan.iterations}"
                done = condensation.steps_done
                track.update(done, f"{where}, loss {float(step.loss):.4g}, {track.rate(done):.3g} steps/s")
            if step.inner_step == plan.inner_steps - 1:
                folder.log(
                    phase="condense",
                    iteration=step.iteration + 1,
                    loss=float(torch.stack(pending).mean()),
                    steps=len(pending),
                    seconds=round(time.monotonic() - began, 3),
                )
                pending.clear()
            stop = stopping()
            if due(condensation.iteration) or stop:
                folder.keep(condensation, time.monotonic() - began)
            if stop:
                raise KeyboardInterrupt


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
    found = folder.scored()[: len(contenders)]
    try:
        with Track(console, "evaluate", len(contenders), quiet=quiet) as track:
            for done, contender in list(enumerate(contenders))[len(found) :]:

                def progress(share: float, done: int = done, name: str = contender.name) -> None:
                    track.update(done + share, name)

                found.append([])
                found[-1] += evaluate(contender, data, pipeline, device=device, progress=progress)
                rows = [evaluation.model_dump(mode="json") for evaluation in found[-1]]
                folder.log(phase="evaluate", contender=done, evaluations=rows)
    except KeyboardInterrupt:
        say(
            console,
            f"the synset is complete, in {folder.path}; {len(found) - 1} of {len(contenders)} are scored",
        )
        raise
    return pooled(found)
