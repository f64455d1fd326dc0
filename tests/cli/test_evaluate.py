"""``idc evaluate``: scores of a finished synset, and where they are kept."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import idc, names, refused, succeeded
from idc.experiment.report import Report, SynsetScores
from idc.experiment.score import evaluate_all
from idc.experiment.scoring import Scored
from idc.kinds.evaluation import Evaluation
from idc_cli.run_folder.lock import Lock

QUICK = ("--runs", "1", "--quiet", "--device", "cpu")


def test_the_scores_of_the_run_are_repeated(run: Path) -> None:
    shown = succeeded("evaluate", str(run), "--json", "--quiet", "--device", "cpu").stdout
    (scored,) = json.loads(shown)
    (_, reported) = json.loads((run / "report.json").read_text())["evaluations"]
    assert scored == reported
    changed = succeeded("evaluate", str(run), "--set", "evaluate.0.runs=1", "--device", "cpu")
    assert "protocol: idc-2022 (changed: epochs 3), hard labels\n" in changed.stdout


def test_only_what_a_score_depends_on_can_be_changed(run: Path) -> None:
    message = refused("evaluate", str(run), "--set", "decoder.factor=1")
    names(message, "decoder.factor", "made already", "compile, dataset, evaluate, model, precision, seed")


def test_an_evaluator_is_needed(run: Path) -> None:
    message = refused("evaluate", str(run), "--set", "evaluate=[]")
    names(message, "no evaluator", "--set 'evaluate=[{type=\"retrain\"}]'")


def test_baselines_are_needed_to_score_them(run: Path) -> None:
    succeeded("run", "small.toml", "--out", "bare", "--set", "baseline=[]", "--set", "evaluate=[]", "--quiet")
    evaluator = 'evaluate=[{type="retrain", runs=1, epochs=1}]'
    message = refused("evaluate", "bare", "--set", evaluator, "--baselines")
    names(message, "--baselines", "[[baseline]]", "leave the flag out")


def test_scores_are_merged_into_the_report(run: Path) -> None:
    before = Report.load(run).evaluations
    done = succeeded("evaluate", str(run), "--models", "convnet,mlp", *QUICK)
    assert f"saved in {run / 'report.json'}" in done.stderr
    header, row, foot = done.stdout.splitlines()
    assert "convnet (depth=2, width=4)" in header, "the pipeline's own network, not one of the same name"
    assert "mlp" in header
    assert row.startswith("idc")
    assert foot.startswith("accuracy, %, n 1; protocol: idc-2022")
    after = Report.load(run).evaluations
    assert [(each.synset, each.model, each.n) for each in after] == [
        ("random", before[0].model, 2),
        ("idc", before[0].model, 2),
        ("idc", "mlp", 1),
    ]
    assert after[1] == before[1], "one of the same two networks says no more than both"
    assert "mlp" in (run / "report.html").read_text()


def test_baselines_can_be_scored_again(run: Path) -> None:
    before = Report.load(run)
    done = succeeded("evaluate", str(run), "--baselines", "--no-save", "--json", *QUICK)
    assert [each["synset"] for each in json.loads(done.stdout)] == ["random", "idc"]
    assert Report.load(run) == before


def test_scores_of_a_file_alone_are_written_beside_it(run: Path) -> None:
    shutil.copy(run / "synset.safetensors", "pets.safetensors")
    succeeded("evaluate", "pets.safetensors", *QUICK)
    assert Path("pets.evaluations.json").exists()


def test_later_scores_of_a_file_are_added_to_earlier_ones(run: Path) -> None:
    shutil.copy(run / "synset.safetensors", "pets.safetensors")
    beside = Path("pets.evaluations.json")
    for models in ("convnet", "mlp", "mlp"):
        succeeded("evaluate", "pets.safetensors", *QUICK, "--models", models)
    found = SynsetScores.load(beside).evaluations
    assert [each.model for each in found] == ["convnet (depth=2, width=4)", "mlp"]
    # Of another synset that was under this name.
    beside.write_text(SynsetScores(tensors="other", evaluations=found).model_dump_json())
    succeeded("evaluate", "pets.safetensors", *QUICK, "--models", "mlp")
    assert [each.model for each in SynsetScores.load(beside).evaluations] == ["mlp"]
    beside.write_text("mine")
    done = succeeded("evaluate", "pets.safetensors", *QUICK, "--models", "mlp")
    names(done.stderr, "the scores are not saved", "pets.evaluations.json", "move it away")
    assert beside.read_text() == "mine"


def test_scores_are_saved_where_there_is_no_page(run: Path) -> None:
    (run / "pipeline.toml").unlink()
    (run / "report.html").unlink()
    done = succeeded("evaluate", str(run), "--models", "mlp", *QUICK)
    assert f"saved in {run / 'report.json'}" in done.stderr
    assert Report.load(run).evaluations[-1].model == "mlp"
    assert not (run / "report.html").exists()


def test_a_page_that_cannot_be_written_does_not_unsave_the_scores(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("idc_cli.report.page.write_text", full)
    done = succeeded("evaluate", str(run), "--models", "mlp", *QUICK)
    names(done.stderr, f"saved in {run / 'report.json'}, but not shown on its page (No space left on device)")
    assert Report.load(run).evaluations[-1].model == "mlp"


def test_scores_that_cannot_be_compared_are_not_merged(run: Path) -> None:
    before = Report.load(run)
    done = succeeded("evaluate", str(run), "--set", "seed=5", *QUICK)
    names(done.stderr, "not saved", "seed")
    assert Report.load(run) == before


def test_scores_of_another_synset_in_the_folder_are_not_the_runs(run_with_snapshots: Path) -> None:
    folder = run_with_snapshots
    before = Report.load(folder)
    shutil.copy(folder / "snapshots/000000.safetensors", folder / "other.safetensors")
    done = succeeded("evaluate", str(folder / "other.safetensors"), *QUICK)
    assert f"saved in {folder / 'other.evaluations.json'}" in done.stderr
    shutil.copy(folder / "other.safetensors", folder / "synset.safetensors")
    done = succeeded("evaluate", str(folder), *QUICK)
    assert f"saved in {folder / 'synset.evaluations.json'}" in done.stderr
    assert Report.load(folder) == before


def test_scores_that_cannot_be_saved_are_printed_all_the_same(run: Path) -> None:
    (run / "report.json").write_text("{}")
    done = succeeded("evaluate", str(run), *QUICK)
    names(done.stderr, "the scores are not saved in", "not a report of idc")
    assert "idc" in done.stdout
    with Lock(run)._lock:  # pyright: ignore[reportPrivateUsage]
        done = succeeded("evaluate", str(run), *QUICK)
    assert "is being written to by another process" in done.stderr


def test_scores_that_are_complete_at_an_interruption_are_kept(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **named: Any) -> Iterator[Scored]:
        yield next(evaluate_all(*arguments, **named))
        raise KeyboardInterrupt

    monkeypatch.setattr("idc_cli.runner.rescore.evaluate_all", interrupted)
    done = idc("evaluate", str(run), "--models", "mlp,convnet", *QUICK)
    assert done.exit_code == 130
    assert [each.model for each in Report.load(run).evaluations][-1] == "mlp"


def test_a_merged_report_keeps_what_differs_in_kind() -> None:
    def one(model: str, value: float, protocol: str = "p") -> Evaluation:
        return Evaluation(
            type="retrain", protocol=protocol, model=model, metric="accuracy", values=(value,), synset="idc"
        )

    twice = (one("a", 1.0), one("b", 2.0), one("b", 2.5))
    report = Report.model_construct(evaluations=twice)
    merged = report.merged([one("a", 3.0), one("a", 4.0, "q"), one("c", 5.0)])
    assert [(each.model, each.protocol, each.mean) for each in merged.evaluations] == [
        ("a", "p", 3.0),
        ("a", "q", 4.0),
        ("b", "p", 2.0),
        ("b", "p", 2.5),
        ("c", "p", 5.0),
    ]
