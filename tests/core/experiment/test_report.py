"""Scores and reports."""

import json
from pathlib import Path

import pytest

from displayed import displayed
from idc.errors import InputError
from idc.experiment.report import Report, pooled
from idc.kinds.evaluation import Evaluation
from idc.spec import ImageSpec
from idc.synset.header import Header
from idc.synset.provenance import Computed


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


def header(**other: object) -> Header:
    spec = ImageSpec(channels=1, height=8, width=8, classes=("a", "b"), mean=(0.5,), std=(0.5,))
    published = [{"synset": "idc", "accuracy": 67.5, "source": "a paper"}]
    plan = {"name": "digits", "method": "idc", "images_per_class": 2, "decoder": {"type": "raw"}}
    fields: dict[str, object] = {
        "pipeline": {**plan, "published": published},
        "spec": spec,
        "iterations": 3,
        "budget": 256,
        "images": 4,
        "fingerprint": "unknown",
        "versions": {},
        "computed": Computed(device="cuda:0", threads=2, compiled=False),
        "seconds": 12.34,
    }
    return Header.model_validate({**fields, **other})


def test_a_report_follows_from_the_synsets_header_and_its_scores() -> None:
    scores = [evaluation(80.0, 90.0), evaluation(50.0, synset="random")]
    found = Report.of(header(), scores)
    assert (found.name, found.method, found.images_per_class) == ("digits", "idc", 2)
    assert (found.classes, found.budget, found.iterations) == (("a", "b"), 256, 3)
    assert (found.device, found.computed) == ("cuda:0", header().computed)
    assert found.seconds == {"condense": 12.34}
    assert [each.source for each in found.published] == ["a paper"]
    assert (found.evaluations, found.snapshots) == (tuple(scores), ())
    assert "torch" in found.versions


def test_a_report_of_a_header_that_knows_less() -> None:
    plan = {"method": "idc", "images_per_class": 1, "decoder": {"type": "raw"}}
    found = Report.of(header(pipeline=plan, computed=None, seconds=None), [], seconds={"evaluate": 1.23456})
    assert (found.name, found.device, found.seconds) == ("pipeline", "unknown", {"evaluate": 1.235})
    assert Report.of(header(pipeline=plan, seconds=None), []).seconds == {}


def test_a_notebook_shows_the_scores_and_the_seconds() -> None:
    shown = displayed(report().model_copy(update={"seconds": {"condense": 1.0, "evaluate": 62.25}}))
    assert shown.rows == [
        ["synset", "stored numbers", "model", "accuracy, %", "n"],
        ["idc", "", "convnet", "85.0 ± 7.1", "2"],
        ["random", "", "convnet", "50.0", "1"],
    ]
    assert "digits: images per class 1" in shown.text
    assert "protocol: p, hard labels" in shown.text
    assert "condense 1.0 s, evaluate 62.2 s" in shown.text


def test_protocols_that_differ_are_a_column() -> None:
    other = evaluation(50.0, synset="random").model_copy(update={"protocol": "q"})
    shown = displayed(report().model_copy(update={"evaluations": (evaluation(80.0), other)}))
    assert [row[-1] for row in shown.rows] == ["protocol", "p, hard labels", "q, hard labels"]
    assert "protocol:" not in shown.text


def test_a_notebook_shows_curves_as_tables() -> None:
    points = [
        evaluation(value).model_copy(update={"along": "classes seen", "at": at})
        for at, value in ((2.0, 90.0), (4.0, 70.0))
    ]
    shown = displayed(report().model_copy(update={"evaluations": tuple(points)}))
    assert shown.rows == [["synset", "stored numbers", "2", "4"], ["idc", "", "90.0", "70.0"]]
    assert "accuracy, %, along the classes seen" in shown.text
    assert "n 1" in shown.text


def test_a_notebook_says_that_nothing_was_scored() -> None:
    shown = displayed(report().model_copy(update={"evaluations": (), "seconds": {}}))
    assert "no scores" in shown.text
    assert not shown.rows


def test_a_report_is_escaped() -> None:
    hostile = "<script>alert(1)</script>"
    scores = evaluation(1.0, synset=hostile).model_copy(update={"model": hostile, "protocol": hostile})
    found = report().model_copy(update={"name": hostile, "evaluations": (scores,), "seconds": {hostile: 1.0}})
    shown = displayed(found)
    assert "script" not in shown.names()
    assert shown.text.count(hostile) == 5
