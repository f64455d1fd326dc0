"""Scores and reports."""

import json
from pathlib import Path

import pytest

from idc.errors import InputError
from idc.experiment.report import Report, pooled
from idc.kinds.evaluation import Evaluation


def evaluation(*values: float, synset: str = "idc") -> Evaluation:
    return Evaluation(
        type="retrain", protocol="p", model="convnet", metric="accuracy", values=values, synset=synset
    )


def report() -> Report:
    return Report(
        name="digits",
        method="idc",
        images_per_class=1,
        budget=10,
        iterations=3,
        device="cpu",
        seconds={"condense": 1.0},
        versions={},
        evaluations=(evaluation(80.0, 90.0), evaluation(50.0, synset="random")),
    )


def test_statistics() -> None:
    scores = evaluation(80.0, 90.0, 100.0)
    assert (scores.mean, scores.sd, scores.n) == (90.0, 10.0, 3)
    assert scores.summary() == "90.0 ± 10.0"
    assert evaluation(80.0).sd is None
    assert evaluation(80.0).summary() == "80.0"


def test_json_holds_what_the_documentation_says_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    report().save(path)
    (first, _) = json.loads(path.read_text())["evaluations"]
    for key in ("type", "protocol", "model", "metric", "values", "mean", "sd", "n", "synset"):
        assert key in first
    assert first["mean"] == 85.0
    assert Report.load(path) == Report.load(tmp_path) == report()


def test_draws_of_a_baseline_are_pooled() -> None:
    draws = [[evaluation(1.0, 2.0, synset="random")], [evaluation(5.0)], [evaluation(3.0, synset="random")]]
    assert pooled(draws) == [evaluation(1.0, 2.0, 3.0, synset="random"), evaluation(5.0)]


def test_two_evaluators_of_one_synset_are_not_pooled() -> None:
    assert pooled([[evaluation(1.0), evaluation(2.0)], [evaluation(3.0), evaluation(4.0)]]) == [
        evaluation(1.0, 3.0),
        evaluation(2.0, 4.0),
    ]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"name": 3}')
    with pytest.raises(InputError, match="not a report of idc"):
        Report.load(tmp_path)
    with pytest.raises(InputError, match="No such file or directory; give the folder of a finished run"):
        Report.load(tmp_path / "nothing")
