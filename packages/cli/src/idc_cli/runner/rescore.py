"""Score a finished synset again."""

from collections.abc import Sequence

from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.experiment.report import pooled
from idc.experiment.score import concluded, evaluate_all, real_alone
from idc.kinds.evaluation import Evaluation
from idc.runtime.processes import Processes
from idc.synset.synset import Synset
from idc_cli.terminal.progress import Display
from idc_cli.terminal.text import operations


class Rescoring:
    """The scores of several synsets, as far as they are complete.

    Args:
        synsets: the draws of baselines, and the synset itself.
        data: on the device to compute on.
        pipeline: whose evaluators score.
    """

    def __init__(self, synsets: Sequence[Synset], data: RealData, pipeline: Pipeline) -> None:
        self._synsets, self._data, self._pipeline = synsets, data, pipeline
        self._contenders = [*synsets, *real_alone(pipeline)]
        self._taken: list[list[Evaluation]] = [[] for _ in self._contenders]

    def run(self, device: str, display: Display, processes: Processes = Processes()) -> None:
        """Score all synsets; what is complete at an interruption is kept.

        Args:
            device: to compute on.
            display: for the progress.
            processes: that divide the networks among them, each of which calls this; by default one alone.
        """
        plan, data = self._pipeline, self._data
        work = sum(
            evaluator.operations(len(synset), synset.matched_per_class, data.spec, plan.model)
            for evaluator in plan.evaluate
            for synset in self._synsets
        )
        if work:
            display.mention(f"evaluate: {operations(work)} of arithmetic; fewer epochs or runs take less")
        with display.track("evaluate", len(self._contenders)) as track:

            def progress(fraction: float, name: str) -> None:
                track.update(fraction * len(self._contenders), of=name)

            for scored in evaluate_all(
                self._contenders, data, plan, device=device, processes=processes, progress=progress
            ):
                self._taken[scored.synset] += scored.evaluations

    def complete(self) -> list[Evaluation]:
        """The complete evaluations, with the draws of a baseline pooled.

        One that some draws of a baseline still lack is left out: the others would stand for all of them.
        """
        least: dict[str, int] = {}
        taken = self._taken[: len(self._synsets)]
        for synset, found in zip(self._synsets, taken, strict=True):
            least[synset.name] = min(least.get(synset.name, len(found)), len(found))
        of_synsets = pooled(
            found[: least[synset.name]] for synset, found in zip(self._synsets, taken, strict=True)
        )
        alone = [each for found in self._taken[len(self._synsets) :] for each in found]
        found = [*of_synsets, *alone]
        return [*found, *concluded(self._pipeline, found)]


def choose_models(pipeline: Pipeline, models: str | None, runs: int | None) -> Pipeline:
    """A pipeline whose evaluators train other networks.

    Args:
        pipeline: with or without evaluators; without any it gets the default one.
        models: types separated by commas; None keeps each evaluator's.
        runs: networks trained of each; None keeps each evaluator's.
    """
    if models is None and runs is None:
        return pipeline
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
    return pipeline.override(changed)
