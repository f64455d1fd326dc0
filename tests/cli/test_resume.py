"""Resuming runs: what is asked for, what is refused, and how often a checkpoint is written."""

import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from command_line import names, refused, succeeded
from idc.config.compatibility import differences, refuse_changes
from idc.errors import InputError
from idc.experiment.report import Report
from idc_cli.run_folder.folder import RunFolder
from idc_cli.runner.interval import Interval
from small import small_pipeline

CPU = ("--device", "cpu")


def test_resuming_where_there_is_no_run_starts_one() -> None:
    succeeded("run", "small.toml", *CPU, "--quiet", "--resume")
    assert Report.load(Path("runs/small")).iterations == 2


def test_scores_that_are_in_the_log_are_not_taken_again(unfinished_run: Path) -> None:
    folder = unfinished_run
    log = (folder / "log.jsonl").read_text()
    assert log.count('"evaluate"') == 2
    result = succeeded("run", "small.toml", *CPU, "--resume")
    names(result.stderr, "resuming at inner step 4 of 4", "2 of 2 iterations")
    assert (folder / "log.jsonl").read_text() == log
    assert [row.n for row in Report.load(folder).evaluations] == [2, 2]


def test_more_iterations_of_a_finished_run(run: Path) -> None:
    result = succeeded("run", "small.toml", *CPU, "--set", "iterations=3", "--resume")
    names(result.stderr, "resuming at inner step 4 of 6", "2 of 3 iterations")
    assert Report.load(Path("runs/small")).iterations == 3
    assert (Path("runs/small") / "log.jsonl").read_text().count('"evaluate"') == 2
    names(
        refused("run", "small.toml", "--resume"), "--resume", "iterations = 2", "less than the 3", "3 or more"
    )


OTHERS = ("--set", "decoder.factor=1", "--set", "seed=7")


def test_other_fields_are_named_with_both_values(unfinished_run: Path) -> None:
    for file in ("checkpoint.safetensors", "checkpoint.previous.safetensors"):
        message = refused("run", "small.toml", "--resume", "--out", str(unfinished_run), *OTHERS)
        assert re.search(r"\n  seed: .*\b0\b.*\b7\b", message)
        assert re.search(r"\n  decoder\.factor: .*\b2\b.*\b1\b", message)
        names(message, "--out", "--overwrite")
        # Without checkpoints the pipeline's own file says it as well.
        (unfinished_run / file).unlink(missing_ok=True)


@pytest.mark.filterwarnings("always::idc.errors.Notice")
def test_a_damaged_checkpoint_leaves_the_previous_one(unfinished_run: Path) -> None:
    (unfinished_run / "checkpoint.safetensors").rename(unfinished_run / "checkpoint.previous.safetensors")
    (unfinished_run / "checkpoint.safetensors").write_bytes(b"damaged")
    result = succeeded("run", "small.toml", *CPU, "--resume")
    names(result.stderr, "note: ", "the previous checkpoint is used", "resuming at inner step 4 of 4")


def test_damaged_checkpoints_alone_are_refused(unfinished_run: Path) -> None:
    (unfinished_run / "checkpoint.safetensors").write_bytes(b"damaged")
    (unfinished_run / "checkpoint.previous.safetensors").unlink(missing_ok=True)
    names(refused("run", "small.toml", "--resume"), "--resume", "checkpoint.safetensors", "--overwrite")


def test_intervals() -> None:
    due = Interval.parse("3").started(2)
    assert [due(iteration) for iteration in (2, 3, 4, 5, 5, 6, 8, 9)] == [False] * 3 + [
        True,
        False,
        False,
        True,
        False,
    ]
    assert Interval.parse("0.5m") == Interval(seconds=30)
    due = Interval(seconds=0.05).started(0)
    assert not due(0)
    time.sleep(0.06)
    assert [due(0), due(0)] == [True, False]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 2}}, {}),
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 3}}, {"a": ("1", "absent"), "b.c": ("2", "3")}),
        ({}, {"d": "x"}, {"d": ("absent", "'x'")}),
        ({"a": [{"b": 1}, 2]}, {"a": [{"b": 2}, 2]}, {"a.0.b": ("1", "2")}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": ("[1]", "[1, 2]")}),
    ],
)  # fmt: skip
def test_differences(before: Any, after: Any, expected: dict[str, tuple[str, str]]) -> None:
    assert dict(differences(before, after)) == expected


def test_more_iterations_are_allowed_and_fewer_down_to_those_begun() -> None:
    table = small_pipeline(iterations=5).table()
    refuse_changes(table, {**table, "iterations": 9}, 4)
    refuse_changes(table, {**table, "iterations": 3}, 5)
    with pytest.raises(InputError, match=r"--resume: iterations = 2 .* than the 3 .* 3 or more"):
        refuse_changes(table, {**table, "iterations": 2}, 5)


def test_with_groups_of_classes_a_run_goes_on_in_any_but_gets_no_longer() -> None:
    table = small_pipeline(iterations=5, groups={"classes": 4}).table()
    refuse_changes(table, table, 2 * 3 * 5)
    with pytest.raises(InputError, match=r"iterations: was 5, is now 9.*(?s:.)*nothing may change"):
        refuse_changes(table, {**table, "iterations": 9}, 4)


def test_a_run_that_another_process_has_made_meanwhile_is_kept(small_run_source: Path) -> None:
    folder = RunFolder(Path("runs/small"), small_pipeline())
    with folder:
        shutil.copytree(small_run_source, "runs/small")
        Path("runs/small/report.json").unlink()
        with pytest.raises(InputError, match="holds an unfinished run of this pipeline"):
            folder.start(replace=False)
    assert (Path("runs/small") / "checkpoint.safetensors").exists()


def test_a_longer_run_scores_its_earlier_result_as_a_snapshot(run_with_snapshots: Path) -> None:
    short = Report.load(run_with_snapshots)
    assert [each.iteration for each in short.snapshots] == [0, 2]
    pipeline = str(run_with_snapshots / "pipeline.toml")
    longer = ("--out", str(run_with_snapshots), "--set", "iterations=6", "--resume")
    succeeded("run", pipeline, *longer, *CPU, "--quiet")
    report = Report.load(run_with_snapshots)
    assert [each.iteration for each in report.snapshots] == [0, 2, 4]
    assert report.snapshots[:2] == short.snapshots
    (then,) = (each for each in short.evaluations if each.synset == "idc")
    assert report.snapshots[2].values == then.values, "what was the result is a snapshot now"


def test_a_missing_snapshot_costs_its_score_only(run_with_snapshots: Path) -> None:
    folder = run_with_snapshots
    before = Report.load(folder)
    (folder / "report.json").unlink()
    (folder / "snapshots/000000.safetensors").unlink()
    # Its own score is in the log, and must not be taken for another's.
    log = (folder / "log.jsonl").read_text().splitlines()
    (folder / "log.jsonl").write_text("\n".join(log[:-1]) + "\n")
    result = succeeded("run", str(folder / "pipeline.toml"), "--out", str(folder), *CPU, "--resume")
    names(result.stderr, "the synset after 0 iterations is not scored", "snapshots/000000.safetensors")
    (left,) = Report.load(folder).snapshots
    assert left == before.snapshots[1]


def test_damaged_lines_of_the_log_are_skipped(unfinished_run: Path) -> None:
    log = (unfinished_run / "log.jsonl").read_text()
    damaged = '{"phase": "condense", "iteration": null}\n[1]\n{"phase": 3}\n'
    (unfinished_run / "log.jsonl").write_text(damaged + log)
    succeeded("run", "small.toml", *CPU, "--quiet", "--resume")
    assert (unfinished_run / "log.jsonl").read_text() == log


def test_a_run_of_an_older_version_is_recognised(unfinished_run: Path) -> None:
    pipeline = (unfinished_run / "pipeline.toml").read_text()
    assert "published = []\n" in pipeline
    (unfinished_run / "pipeline.toml").write_text(pipeline.replace("published = []\n", ""))
    succeeded("run", "small.toml", *CPU, "--quiet", "--resume")
    number = "published=[{synset='idc', accuracy=1.0, source='us'}]"
    again = succeeded("run", "small.toml", *CPU, "--out", str(unfinished_run), "--set", number)
    assert "holds this run, finished" in again.stderr


def test_only_what_the_run_left_over_is_removed(workplace: Path) -> None:
    kept = [Path(".env"), Path(".git"), Path(".pipeline.tom"), Path(".pipeline.toml.swp")]
    left = [
        Path(".pipeline.toml.k1x.toml"),
        Path(".checkpoint.safetensors.new.safetensors"),
        Path("..checkpoint.safetensors.new.safetensors.k2.safetensors"),
    ]
    for file in kept:
        file.write_text("x")
    for again in ([], ["--resume", "--set", "iterations=3"], ["--overwrite"]):
        for file in left:
            file.write_text("x")
        succeeded("run", "small.toml", *CPU, "--quiet", "--out", ".", *again)
        assert all(file.exists() for file in kept)
        assert not any(file.exists() for file in left)


@pytest.mark.parametrize("change", [[], ["--set", "iterations=4"]], ids=["same", "longer"])
def test_a_synset_without_a_checkpoint_is_not_replaced(unfinished_run: Path, change: list[str]) -> None:
    for name in ("checkpoint.safetensors", "checkpoint.previous.safetensors"):
        (unfinished_run / name).unlink(missing_ok=True)
    message = refused("run", "small.toml", "--resume", *change, "--out", str(unfinished_run))
    names(message, "--resume", str(unfinished_run), "no checkpoint", "--out", "--overwrite")
    assert (unfinished_run / "synset.safetensors").exists()


@pytest.mark.parametrize("written", ["", None], ids=["full disk", "renamed computer"])
def test_a_run_does_not_take_itself_for_another(
    written: str | None, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    original = RunFolder.save_checkpoint

    def save(folder: RunFolder, *arguments: Any) -> None:
        if written is not None:
            (folder / ".lock.json").write_text(written)
        monkeypatch.setattr("socket.gethostname", lambda: "renamed")
        original(folder, *arguments)

    monkeypatch.setattr(RunFolder, "save_checkpoint", save)
    done = succeeded("run", "small.toml", *CPU, "--quiet", "--checkpoint-every", "1")
    assert "another" not in done.stderr
    assert (Path("runs/small") / "checkpoint.safetensors").exists()
    assert not (Path("runs/small") / ".lock.json").exists()


def test_what_others_wrote_into_the_folder_is_removed_with_its_run(unfinished_run: Path) -> None:
    (unfinished_run / "synset.evaluations.json").write_text("[]")
    (unfinished_run / "tensorboard").mkdir()
    (unfinished_run / "tensorboard/events.out.tfevents.1").write_text("")
    another = ("--out", str(unfinished_run), "--set", "seed=1", "--set", "evaluate=[]", "--overwrite")
    succeeded("run", "small.toml", *CPU, "--quiet", *another)
    assert not (unfinished_run / "synset.evaluations.json").exists()
    assert not list((unfinished_run / "tensorboard").iterdir())
