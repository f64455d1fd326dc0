"""Scoring what a run made, beside its baselines and what it was on the way."""

from collections.abc import Sequence

from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.errors import InputError
from idc.experiment.report import pooled
from idc.experiment.score import baselines, evaluate
from idc.kinds.evaluation import Evaluation
from idc.synset.synset import Synset
from idc_cli.folder import RunFolder
from idc_cli.progress import Display


def drawn_baselines(pipeline: Pipeline, data: RealData, device: str, display: Display) -> list[Synset]:
    """The synset of each draw of each baseline, if anything is scored."""
    draws = [baseline.name for baseline in pipeline.baseline for _ in range(baseline.draws)]
    if not draws or not pipeline.evaluate:
        return []
    found: list[Synset] = []
    # Some train a network on all real images for it, which takes a while without a word.
    display.mention(f"choose baselines: {', '.join(dict.fromkeys(draws))}")
    with display.track("choose baselines", len(draws)) as track:
        track.update(0, of=draws[0])
        for synset in baselines(pipeline, data, device=device):
            found.append(synset)
            track.update(len(found), of=", ".join(draws[len(found) : len(found) + 1]))
    return found


def scores(
    contenders: Sequence[Synset],
    data: RealData,
    pipeline: Pipeline,
    device: str,
    folder: RunFolder,
    display: Display,
) -> tuple[list[Evaluation], list[Evaluation]]:
    """The scores of a run's synsets, the draws of a baseline pooled, and those of its snapshots.

    Args:
        contenders: all synsets but the snapshots.
        data: on the device to compute on.
        pipeline: whose evaluators score.
        device: to compute on.
        folder: has the snapshots, and what is scored already.
        display: for the progress.
    """
    if not pipeline.evaluate:
        display.say(
            'nothing is scored, because the pipeline has no [[evaluate]]; add type = "retrain" to one'
        )
        return [], []
    snapshots = _snapshots(folder, pipeline, len(contenders), display)
    synsets = dict(enumerate(contenders)) | snapshots
    found = {number: scored for number, scored in folder.log.scores().items() if number in synsets}
    try:
        with display.track("evaluate", len(synsets), len(found)) as track:
            for number, synset in synsets.items():
                if number in found:
                    continue
                done = len(found)

                def progress(share: float, done: int = done, name: str = synset.name) -> None:
                    track.update(done + share, of=name)

                scored = list(evaluate(synset, data, pipeline, device=device, progress=progress))
                found[number] = scored
                folder.log.scored(number, scored)
    except KeyboardInterrupt:
        display.say(f"the synset is complete, in {folder.path}; {len(found)} of {len(synsets)} are scored")
        raise
    on_the_way = [
        evaluation.model_copy(update={"iteration": synset.header.iterations})
        for number, synset in snapshots.items()
        for evaluation in found[number]
    ]
    return pooled(found[number] for number in range(len(contenders))), on_the_way


def _snapshots(folder: RunFolder, pipeline: Pipeline, first: int, display: Display) -> dict[int, Synset]:
    """What the synset was on the way, by numbers that stay the same where one is missing."""
    found: dict[int, Synset] = {}
    if pipeline.snapshot_every is None:
        return found
    for number, iteration in enumerate(range(0, pipeline.iterations, pipeline.snapshot_every), first):
        try:
            found[number] = Synset.load(folder.snapshot(iteration))
        except InputError as error:
            display.say(f"note: the synset after {iteration} iterations is not scored ({error})")
    return found
