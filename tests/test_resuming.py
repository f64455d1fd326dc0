"""Going on with runs: what is asked for, what is refused, and how often something is kept."""

import time
from pathlib import Path
from typing import Any

import pytest

from command_line import idc
from idc.config.compatibility import differences, refuse_changes
from idc.errors import InputError
from idc.experiment.report import Report
from idc_cli.folder import RunFolder
from idc_cli.interval import Interval
from small import small_pipeline


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(small_pipeline().toml())


def unfinished() -> Path:
    """A run that lacks its report."""
    assert idc("run", "small.toml", "--device", "cpu", "--quiet").exit_code == 0
    folder = Path("runs/small")
    (folder / "report.json").unlink()
    return folder


def test_an_unfinished_run_asks_what_to_do() -> None:
    unfinished()
    result = idc("run", "small.toml")
    assert result.exit_code == 2
    assert "holds an unfinished run of this pipeline; --resume goes on with it" in result.stderr


def test_resuming_where_nothing_is_begins() -> None:
    result = idc("run", "small.toml", "--device", "cpu", "--quiet", "--resume")
    assert result.exit_code == 0, result.output
    assert Report.load(Path("runs/small")).iterations == 2


def test_scores_that_are_in_the_log_are_not_taken_again() -> None:
    folder = unfinished()
    log = (folder / "log.jsonl").read_text()
    assert log.count('"evaluate"') == 2
    result = idc("run", "small.toml", "--device", "cpu", "--resume")
    assert result.exit_code == 0, result.output
    assert "going on after 4 of 4 steps, 2 iterations" in result.stderr
    assert (folder / "log.jsonl").read_text() == log
    assert [row.n for row in Report.load(folder).evaluations] == [2, 2]


def test_more_iterations_of_a_finished_run() -> None:
    assert idc("run", "small.toml", "--device", "cpu", "--quiet").exit_code == 0
    more = ("run", "small.toml", "--device", "cpu", "--set", "iterations=3", "--resume")
    result = idc(*more)
    assert result.exit_code == 0, result.output
    assert "going on after 4 of 6 steps, 2 iterations" in result.stderr
    assert Report.load(Path("runs/small")).iterations == 3
    assert (Path("runs/small") / "log.jsonl").read_text().count('"evaluate"') == 2
    fewer = idc("run", "small.toml", "--resume")
    assert fewer.exit_code == 2
    assert "iterations = 2 is fewer than the 3 that are begun or done" in fewer.stderr


OTHERS = ("--set", "decoder.factor=1", "--set", "seed=7")


def test_other_fields_are_named_with_both_values() -> None:
    folder = unfinished()
    for file in ("checkpoint.safetensors", "checkpoint.previous.safetensors"):
        result = idc("run", "small.toml", "--resume", "--out", str(folder), *OTHERS)
        assert result.exit_code == 2
        assert "\n  seed: 0 when it began, 7 now\n" in result.stderr
        assert "\n  decoder.factor: 2 when it began, 1 now\n" in result.stderr
        # The pipeline's own file says it as well.
        (folder / file).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--resume", "--overwrite"), "--resume and --overwrite exclude each other"),
        (("--checkpoint-every", "0"), "--checkpoint-every: '0' is not allowed"),
        (("--checkpoint-every", "5s"), "it must be a number of iterations from 1, such as 20, or of minutes"),
    ],
)
def test_flags_that_mean_nothing_are_refused(arguments: tuple[str, ...], message: str) -> None:
    result = idc("run", "small.toml", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("runs").exists()


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
    with pytest.raises(InputError, match="iterations = 2 is fewer than the 3 that are begun"):
        refuse_changes(table, {**table, "iterations": 2}, 5)


def test_a_run_that_another_process_has_made_meanwhile_is_kept() -> None:
    pipeline = small_pipeline()
    folder = RunFolder(Path("runs/small"), pipeline)
    with folder:
        unfinished()
        with pytest.raises(InputError, match="holds an unfinished run of this pipeline"):
            folder.begin(replace=False)
    assert (Path("runs/small") / "checkpoint.safetensors").exists()


def test_a_longer_run_scores_what_it_was_on_the_way_too() -> None:
    every = (
        "run",
        "small.toml",
        "--device",
        "cpu",
        "--quiet",
        "--set",
        "name=kept",
        "--set",
        "snapshot_every=1",
    )
    assert idc(*every).exit_code == 0
    short = Report.load(Path("runs/kept"))
    assert [each.iteration for each in short.snapshots] == [0, 1]
    assert idc(*every, "--set", "iterations=3", "--resume").exit_code == 0
    longer = Report.load(Path("runs/kept"))
    assert [each.iteration for each in longer.snapshots] == [0, 1, 2]
    assert longer.snapshots[:2] == short.snapshots
    (then,) = (each for each in short.evaluations if each.synset == "idc")
    assert longer.snapshots[2].values == then.values, "what was the result is now on the way"


def test_a_snapshot_that_is_gone_costs_its_score_only() -> None:
    every = ("run", "small.toml", "--device", "cpu", "--set", "name=kept", "--set", "snapshot_every=1")
    assert idc(*every, "--quiet").exit_code == 0
    folder = Path("runs/kept")
    before = Report.load(folder)
    (folder / "report.json").unlink()
    (folder / "snapshots/000000.safetensors").unlink()
    # Its own score is in the log, and must not be taken for another's.
    log = (folder / "log.jsonl").read_text().splitlines()
    (folder / "log.jsonl").write_text("\n".join(log[:-1]) + "\n")
    result = idc(*every, "--resume")
    assert result.exit_code == 0, result.output
    assert "note: the synset after 0 iterations is not scored" in result.stderr
    (left,) = Report.load(folder).snapshots
    assert left == before.snapshots[1]


def test_a_damaged_line_of_the_log_is_left_out() -> None:
    folder = unfinished()
    log = (folder / "log.jsonl").read_text()
    (folder / "log.jsonl").write_text('{"phase": "condense", "iteration": null}\n[1]\n{"phase": 3}\n' + log)
    assert idc("run", "small.toml", "--device", "cpu", "--quiet", "--resume").exit_code == 0
    assert (folder / "log.jsonl").read_text() == log


def test_a_run_that_an_older_version_began_is_known_again() -> None:
    folder = unfinished()
    pipeline = (folder / "pipeline.toml").read_text()
    assert "published = []\n" in pipeline
    (folder / "pipeline.toml").write_text(pipeline.replace("published = []\n", ""))
    assert idc("run", "small.toml", "--device", "cpu", "--quiet", "--resume").exit_code == 0
    number = "published=[{synset='idc', accuracy=1.0, source='us'}]"
    again = idc("run", "small.toml", "--device", "cpu", "--out", str(folder), "--set", number)
    assert "holds this run, finished" in again.stderr


def test_what_others_left_in_the_folder_goes_with_the_run_it_was_of() -> None:
    folder = unfinished()
    (folder / "synset.evaluations.json").write_text("[]")
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard/events.out.tfevents.1").write_text("")
    anew = ("--out", str(folder), "--set", "seed=1", "--overwrite")
    assert idc("run", "small.toml", "--device", "cpu", "--quiet", *anew).exit_code == 0
    assert not (folder / "synset.evaluations.json").exists()
    assert not list((folder / "tensorboard").iterdir())
