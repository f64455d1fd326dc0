"""Scoring what a run made, beside its baselines and what it was on the way."""

from collections.abc import Sequence

from idc.data import RealData
from idc.errors import InputError
from idc.evaluation import baselines, evaluate
from idc.pipeline import Pipeline
from idc.report import Evaluation, pooled
from idc.synset import Synset
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
    synsets = [*contenders, *_snapshots(folder, pipeline, display)]
    found = folder.log.scores()[: len(synsets)]
    try:
        with display.track("evaluate", len(synsets), len(found)) as track:
            for done, synset in list(enumerate(synsets))[len(found) :]:

                def progress(share: float, done: int = done, name: str = synset.name) -> None:
                    track.update(done + share, of=name)

                found.append([])
                found[-1] += evaluate(synset, data, pipeline, device=device, progress=progress)
                folder.log.scored(done, found[-1])
    except KeyboardInterrupt:
        display.say(
            f"the synset is complete, in {folder.path}; {len(found) - 1} of {len(synsets)} are scored"
        )
        raise
    on_the_way = [
        evaluation.model_copy(update={"iteration": synset.header.iterations})
        for synset, evaluations in zip(synsets[len(contenders) :], found[len(contenders) :], strict=True)
        for evaluation in evaluations
    ]
    return pooled(found[: len(contenders)]), on_the_way


def _snapshots(folder: RunFolder, pipeline: Pipeline, display: Display) -> list[Synset]:
    found: list[Synset] = []
    if not pipeline.snapshot_every:
        return found
    for iteration in range(0, pipeline.iterations, pipeline.snapshot_every):
        try:
            found.append(Synset.load(folder.snapshot(iteration)))
        except InputError as error:
            display.say(f"note: the synset after {iteration} iterations is not scored ({error})")
    return found
