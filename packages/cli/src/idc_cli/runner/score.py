"""Score the synsets of a run: the result, its baselines and its snapshots."""

from collections.abc import Sequence

from idc.condensation.loop import Condensation
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import InputError
from idc.experiment.report import pooled
from idc.experiment.score import concluded, drawn_baselines, evaluate_all, real_alone
from idc.kinds.evaluation import Evaluation
from idc.runtime.processes import Processes
from idc.synset.broadcast import broadcast
from idc.synset.synset import Synset
from idc_cli.run_folder.folder import RunFolder
from idc_cli.run_folder.log import EVALUATIONS
from idc_cli.terminal.progress import Display

ALONE = -1
"""Number in the log of what is scored with the real data alone, beside those of the synsets."""


def draw_baselines(
    pipeline: Pipeline,
    data: RealData,
    device: str,
    display: Display,
    processes: Processes = Processes(),
) -> list[Condensation]:
    """Each draw of each baseline, whose synset has still to be labelled; none without an evaluator.

    Labels may take networks that are still to be trained, and before that everything must be known to fit.

    Args:
        pipeline: whose baselines are drawn.
        data: the real data.
        device: to compute on.
        display: for the progress.
        processes: of the command.

    Raises:
        InputError: a baseline does not fit the data.
    """
    draws = [baseline.name for baseline in pipeline.baseline for _ in range(baseline.draws)]
    if not draws or not pipeline.evaluate:
        return []
    found: list[Condensation] = []
    # Some train a network on all real images first, which takes a while without any output.
    display.mention(f"choose baselines: {', '.join(dict.fromkeys(draws))}")
    with display.track("choose baselines", len(draws)) as track:
        track.update(0, of=draws[0])
        for drawn in drawn_baselines(pipeline, data, device=device, processes=processes):
            found.append(drawn)
            track.update(len(found), of=", ".join(draws[len(found) : len(found) + 1]))
    return found


def score_run(
    contenders: Sequence[Synset],
    data: RealData,
    pipeline: Pipeline,
    device: str,
    folder: RunFolder,
    display: Display,
    processes: Processes = Processes(),
) -> tuple[list[Evaluation], list[Evaluation]]:
    """Score all synsets of a run that its log has no scores of.

    Args:
        contenders: all synsets except the snapshots.
        data: on the device to compute on.
        pipeline: whose evaluators score.
        device: to compute on.
        folder: with the snapshots, and the scores so far in its log; that of the first process.
        display: for the progress.
        processes: that divide the networks among them, each of which calls this; by default one alone.

    Returns:
        The evaluations of the contenders, with the draws of a baseline pooled, and those of the snapshots; in
        all processes.
    """
    if not pipeline.evaluate:
        display.say('nothing is scored: the pipeline has no [[evaluate]]; add one with type = "retrain"')
        return [], []
    snapshots = _snapshots(folder, pipeline, len(contenders), display, processes)
    synsets: dict[int, Synset | None] = {**dict(enumerate(contenders)), **snapshots}
    synsets |= dict.fromkeys([ALONE] * len(real_alone(pipeline)))
    logged, numbers = _logged(folder, processes), list(synsets)
    found = {position: logged.get(number, {}) for position, number in enumerate(numbers)}
    known = sum(map(len, found.values()))
    try:
        with display.track("evaluate") as track:
            for scored in evaluate_all(
                list(synsets.values()),
                data,
                pipeline,
                found={position: dict(rows) for position, rows in found.items()},
                device=device,
                processes=processes,
                progress=lambda fraction, name: track.update(fraction, of=name),
            ):
                found[scored.synset][scored.row] = scored.evaluations
                if processes.first:
                    folder.log.add_scores(numbers[scored.synset], scored.row, scored.evaluations)
    except KeyboardInterrupt:
        now = sum(map(len, found.values()))
        display.say(
            f"the synset is complete, in {folder.path}; scores in its log: {now}, of which new: {now - known}"
        )
        raise
    by_number = {
        number: [each for _, row in sorted(found[position].items()) for each in row]
        for position, number in enumerate(numbers)
    }
    of_snapshots = [
        evaluation.model_copy(update={"iteration": synset.header.iterations})
        for number, synset in snapshots.items()
        for evaluation in by_number[number]
    ]
    finished = pooled(by_number[number] for number in range(len(contenders)))
    finished += by_number.get(ALONE, [])
    return [*finished, *concluded(pipeline, finished)], of_snapshots


def _logged(folder: RunFolder, processes: Processes) -> dict[int, dict[int, list[Evaluation]]]:
    """The scores in the first process's log, in all processes."""
    logged = folder.log.scores() if processes.first else {}
    lines = [
        [number, row, EVALUATIONS.dump_python(scored, mode="json")]
        for number, rows in logged.items()
        for row, scored in rows.items()
    ]
    found: dict[int, dict[int, list[Evaluation]]] = {}
    for number, row, scored in processes.told(lines)[0]:
        found.setdefault(number, {})[row] = EVALUATIONS.validate_python(scored)
    return found


def _snapshots(
    folder: RunFolder, pipeline: Pipeline, first: int, display: Display, processes: Processes
) -> dict[int, Synset]:
    """The snapshots, numbered from ``first``; the numbers of the others stay the same if one is missing."""
    found: dict[int, Synset] = {}
    if pipeline.snapshot_every is None:
        return found
    for number, iteration in enumerate(range(0, pipeline.iterations, pipeline.snapshot_every), first):
        loaded: Synset | None = None
        # The others may see no such folder, or one in which the file is damaged.
        if processes.first:
            try:
                loaded = Synset.load(folder.snapshot(iteration))
            except InputError as error:
                display.say(f"note: the synset after {iteration} iterations is not scored ({error})")
        if (snapshot := broadcast(loaded, processes)) is not None:
            found[number] = snapshot
    return found
