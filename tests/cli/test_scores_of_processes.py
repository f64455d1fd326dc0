"""The scores of a run are the same numbers however many processes take them."""

from pathlib import Path
from typing import Any

import pytest

from idc.condensation.loop import condense
from idc.experiment.score import baselines
from idc.runtime.processes import Processes
from idc_cli.run_folder.folder import RunFolder
from idc_cli.runner.rescore import Rescoring
from idc_cli.runner.score import score_run
from idc_cli.terminal.progress import Display
from process_group import run_together
from small import small_pipeline

EVALUATE = [
    {"type": "retrain", "runs": 2, "epochs": 2, "models": [{"type": "convnet", "depth": 1}, {"type": "mlp"}]},
    {"type": "retrain", "runs": 1, "epochs": 1, "best": True},
]


APPLICATIONS = [
    {"type": "class-incremental", "steps": 2, "runs": 2, "epochs": 1, "later_classes": True},
    {"type": "class-incremental", "steps": 2, "runs": 1, "epochs": 1, "new": "real", "kept": "nothing"},
    {
        "type": "architecture-search",
        "grid": {"depth": [1, 2], "width": [2, 4]},
        "epochs": 1,
        "whole": 2,
        "whole_epochs": 1,
        "early_steps": 2,
    },
]


def score_together(processes: Processes, folder: Path) -> dict[str, Any]:
    return scored(processes, folder, EVALUATE)


def apply_together(processes: Processes, folder: Path) -> dict[str, Any]:
    return scored(processes, folder, APPLICATIONS)


def scored(processes: Processes, folder: Path, evaluate: list[dict[str, Any]]) -> dict[str, Any]:
    pipeline = small_pipeline(iterations=1, snapshot_every=1, evaluate=evaluate)
    data = pipeline.dataset.load(Path())
    drawn, condensed = (
        *baselines(pipeline, data, device="cpu"),
        condense(pipeline, data, device="cpu").synset(),
    )
    # As on machines that do not share their disks: what the first process keeps the others do not see.
    kept = RunFolder(folder / f"run-{processes.rank}", pipeline)
    display = Display(quiet=True, silent=not processes.first)
    if processes.first:
        condensed.save(kept.snapshot(0))
    arguments = ([drawn, condensed], data, pipeline, "cpu", kept, display, processes)
    scores = score_run(*arguments)
    log = kept.log.scores()
    again = score_run(*arguments)
    rescoring = Rescoring([condensed, drawn], data, pipeline)
    rescoring.run("cpu", display, processes)
    return {
        "scores": [each.model_dump(mode="json") for some in scores for each in some],
        "taken again": scores != again or kept.log.scores() != log,
        "logged": list(log),
        "rescored": [each.model_dump(mode="json") for each in rescoring.complete()],
    }


@pytest.mark.slow
def test_scores_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    ((alone,), *groups) = run_together(score_together, [1, 2, 3], tmp_path)
    assert [each["synset"] for each in alone["scores"]] == 4 * ["random"] + 8 * ["idc"]
    assert [len(each["values"]) for each in alone["scores"]] == 3 * [2, 2, 1, 1]
    assert len({value for each in alone["scores"] for value in each["values"]}) > 4
    assert alone["scores"][4:8] + alone["scores"][:4] == alone["rescored"]
    for group in groups:
        for rank, found in enumerate(group):
            assert found["scores"] == alone["scores"]
            assert found["rescored"] == alone["rescored"]
            assert not found["taken again"]
            assert found["logged"] == ([] if rank else [0, 1, 2])


@pytest.mark.slow
def test_applications_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    ((alone,), *groups) = run_together(apply_together, [1, 2, 3], tmp_path)
    named = {each["synset"] for each in alone["scores"]}
    assert named == {"random", "idc", "nothing kept", "early stopping", "whole set"}
    assert any(each["metric"] == "rank correlation, best 10" for each in alone["scores"]) is False, "of two"
    assert not alone["taken again"]
    for group in groups:
        for rank, found in enumerate(group):
            assert found["scores"] == alone["scores"]
            assert found["rescored"] == alone["rescored"]
            assert not found["taken again"]
            assert found["logged"] == (alone["logged"] if rank == 0 else [])
