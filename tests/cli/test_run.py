"""``idc run``."""

import json
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from command_line import idc, names, refused, succeeded
from idc.condensation.group import Group
from idc.condensation.inner_step import Matching
from idc.config.pipeline import Pipeline
from idc.experiment.report import Report
from idc.synset.header import read
from idc.synset.synset import Synset
from idc_cli.run_folder.folder import default_folder
from small import small_pipeline

OUTPUTS = {"pipeline.toml", "synset.safetensors", "report.json", "log.jsonl", "images.png"}
OUTPUTS |= {"checkpoint.safetensors", "report.html"}


def same_but_for_the_time(first: Path, second: Path) -> bool:
    """Whether two runs' synsets are the same but for the seconds they took."""
    found = [read(folder).header.model_copy(update={"seconds": None}) for folder in (first, second)]
    assert found[0].tensors is not None
    return found[0] == found[1]


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_a_run_leaves_its_folder_and_prints_the_table() -> None:
    result = succeeded("run", "small.toml", "--device", "cpu")
    folder = Path("runs/small")
    assert {path.name for path in folder.iterdir()} == OUTPUTS
    assert Pipeline.load(folder / "pipeline.toml") == small_pipeline()
    assert size_of(folder / "images.png")[1] == 10 * 66 + 2
    report = json.loads((folder / "report.json").read_text())
    assert [row["synset"] for row in report["evaluations"]] == ["random", "idc"]
    assert all(row["n"] == 2 for row in report["evaluations"])
    for row in Report.load(folder).evaluations:
        assert row.summary() in result.stdout
        assert row.budget == 10 * 2 * 64
    assert "saved in runs/small" in result.stdout
    for phase in ("choose baselines", "condense", "evaluate"):
        assert f"{phase}: done in" in result.stderr


def test_the_log_has_a_line_for_each_iteration_and_each_score(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["phase"] for entry in entries] == ["condense"] * 2 + ["evaluate"] * 2
    assert [entry.get("iteration") for entry in entries] == [1, 2, None, None]
    assert entries[0]["loss"] > 0


def test_the_same_pipeline_elsewhere_gives_the_same_bits(run: Path) -> None:
    succeeded("run", "small.toml", "--device", "cpu", "--out", "other", "--quiet")
    assert same_but_for_the_time(Path("other"), run)


def test_a_finished_run_is_shown_again_not_run_again(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.iterdir()}
    again = succeeded("run", "small.toml", "--device", "cpu")
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    assert Report.load(run).evaluations[-1].summary() in again.stdout
    names(again.stderr, "runs/small holds this run, finished", "--overwrite")


def test_a_finished_run_is_run_again_when_asked(run: Path) -> None:
    (run / "synset.safetensors").write_bytes(b"of the earlier run")
    again = succeeded("run", "small.toml", "--device", "cpu", "--overwrite")
    assert "saved in runs/small" in again.stdout
    assert read(run).header.iterations == 2
    assert len((run / "log.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("damage", ["", "{}", None])
def test_an_unfinished_run_is_not_overwritten_unasked(run: Path, damage: str | None) -> None:
    if damage is None:
        (run / "report.json").unlink()
    else:
        (run / "report.json").write_text(damage)
    names(refused("run", "small.toml"), "--out: runs/small", "unfinished", "--resume", "--overwrite")


def test_another_run_is_not_overwritten_unasked(run: Path) -> None:
    there = ("--out", "runs/small", "--set", "seed=1")
    message = refused("run", "small.toml", *there)
    names(message, "--out: runs/small", "another run", "another folder", "--overwrite")
    succeeded("run", "small.toml", *there, "--set", "evaluate=[]", "--overwrite", "--quiet")
    assert tomllib.loads((run / "pipeline.toml").read_text())["seed"] == 1
    assert read(run).header.pipeline["seed"] == 1


def test_a_baseline_that_does_not_fit_is_found_before_anything_is_written() -> None:
    table = """baseline=[{name="many", init={type="mix"}, decoder={type="multiformation", factor=8}}]"""
    problem = refused("run", "small.toml", "--set", table, "--set", "images_per_class=3")
    names(problem, "baseline 'many'", "images_per_class", "class '0'", "143 training images")


def test_settings_are_validated_and_recorded() -> None:
    settings = ("--set", "name=other", "--set", "decoder.factor=1", "--set", "evaluate=[]")
    result = succeeded("run", "small.toml", *settings, "--quiet")
    names(result.stderr, "nothing is scored", "[[evaluate]]", "retrain")
    assert read(Path("runs/other")).header.pipeline["decoder"]["factor"] == 1
    assert Report.load(Path("runs/other")).evaluations == ()
    assert "Nothing was scored" in Path("runs/other/report.html").read_text()


def test_runs_with_other_settings_have_folders_of_their_own(run: Path, seeded_run: Path) -> None:
    seeds = [default_folder("small", {"seed": seed}) for seed in (1, 2)]
    assert seeds == [seeded_run, Path("runs/small-seed-2")]
    assert Report.load(seeded_run) != Report.load(run)
    two = {"decoder.factor": 1, "seed": 1}
    assert default_folder("small", two) == default_folder("small", dict(reversed(two.items())))
    assert default_folder("small", {"iterations": 9}) == run, "so that a run can be made longer"
    assert default_folder("pets", {"name": "pets", "seed": 1}) == Path("runs/pets")
    tables = [default_folder("small", {"dataset": {"path": path}}).name for path in ("a b", "a+b", "x" * 200)]
    assert len(set(tables)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name) for name in tables)


# Shells start background jobs, a CI's for instance, with Ctrl-C ignored, and Python takes that over.
WITH_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from idc_cli.main import app; app()"
)


def interrupted(*arguments: str, when: Callable[[], bool]) -> str:
    """What a run that gets Ctrl-C prints on standard error."""
    command = [sys.executable, "-c", WITH_CTRL_C, "run", "small.toml", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None and not when():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    return errors


@pytest.mark.slow
def test_an_interrupted_run_keeps_its_codes() -> None:
    log = Path("runs/small/log.jsonl")
    errors = interrupted(
        *("--set", "iterations=100000", "--device", "cpu"),
        when=lambda: log.exists() and log.read_text().count("\n") >= 2,
    )
    names(errors, "of 100000 iterations", "runs/small/synset.safetensors", "resume with: idc run", "--resume")
    assert Synset.load("runs/small").header.iterations >= 2


@pytest.mark.slow
def test_an_interrupted_evaluation_prints_how_to_resume() -> None:
    # The log's third line is the first score, by which time evaluating has certainly begun.
    log = Path("runs/small/log.jsonl")
    errors = interrupted(
        *("--set", "baseline.0.draws=50", "--set", "evaluate.0.epochs=50", "--device", "cpu"),
        *("--out", "runs/small"),
        when=lambda: log.exists() and log.read_text().count("\n") >= 3,
    )
    again = "idc run runs/small/pipeline.toml --out runs/small --data data --device cpu"
    names(errors, "the synset is complete, in runs/small", f"resume with: {again}")
    assert Synset.load("runs/small").header.iterations == 2


def test_a_diverging_run_fails_with_exit_code_1() -> None:
    result = idc("run", "small.toml", "--set", "optimizer.learning_rate=1e30", "--quiet")
    assert result.exit_code == 1
    assert "not finite in iteration" in result.stderr


def test_a_preset_is_resolved_in_the_run_folder() -> None:
    Path("leaf.toml").write_text('extends = "small.toml"\nname = "leaf"\ndecoder.factor = 3\n')
    succeeded("run", "leaf.toml", "--quiet", "--set", "evaluate=[]", "--out", "runs/leaf")
    resolved = tomllib.loads(Path("runs/leaf/pipeline.toml").read_text())
    assert "extends" not in resolved
    assert resolved["decoder"]["factor"] == 3
    assert read(Path("runs/leaf")).header.pipeline["objective"]["type"] == "gradient"


def test_curves_for_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    succeeded("run", "small.toml", "--tensorboard", "--set", "evaluate=[]", "--quiet")
    (folder,) = Path("runs").glob("*/tensorboard")
    events = EventAccumulator(str(folder)).Reload()
    assert events.Tags()["scalars"] == ["loss", "gradient norm/real", "gradient norm/synthetic"]
    logged = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text().splitlines()]
    drawn = [(event.step, pytest.approx(event.value)) for event in events.Scalars("loss")]
    assert drawn == [(entry["iteration"], entry["loss"]) for entry in logged]
    monkeypatch.setattr("idc_cli.runner.condense.find_spec", lambda name: None)
    names(refused("run", "small.toml", "--tensorboard"), "--tensorboard", "not installed", "pip install")


def test_json_is_the_report_and_the_progress_in_objects() -> None:
    done = succeeded("run", "small.toml", "--json", "--device", "cpu")
    assert json.loads(done.stdout) == json.loads(Path("runs/small/report.json").read_text())
    phases = [json.loads(line).get("phase") for line in done.stderr.splitlines()]
    assert {"condense", "evaluate"} <= set(phases)
    again = succeeded("run", "small.toml", "--json", "--device", "cpu")
    assert json.loads(again.stdout) == json.loads(done.stdout)
    assert "holds this run, finished" in json.loads(again.stderr)["message"]


@pytest.mark.parametrize(
    ("part", "method", "call"), [(Group, "inner_step", 4), (Matching, "_matched", 35)], ids=["step", "match"]
)
def test_codes_are_kept_when_memory_runs_out(
    part: type, method: str, call: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = part.__dict__[method]

    def lacking(self: Any, *rest: Any) -> Any:
        counted.append(None)
        if len(counted) == call:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, *rest)

    counted: list[None] = []
    monkeypatch.setattr(part, method, lacking)
    result = idc("run", "small.toml", "--device", "cpu", "--quiet")
    assert result.exit_code == 1
    names(result.stderr, "error: there is not enough memory", "CUDA out of memory", "runs/small/synset")
    assert result.stderr.count("not enough memory") == 1
    assert Synset.load("runs/small").header.iterations == 1
    succeeded("run", "small.toml", "--device", "cpu", "--quiet", "--resume")
