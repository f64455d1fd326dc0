"""``idc compare``."""

import json
import re
import shutil
import statistics
from pathlib import Path

from command_line import names, refused, succeeded
from idc.experiment.report import Report


def test_runs_are_one_table(run: Path, seeded_run: Path) -> None:
    shown = succeeded("compare", str(run), str(seeded_run)).stdout
    names(shown, "runs/small", "runs/small-seed-1", "random", "idc", "1,280")
    means = [
        next(each.mean for each in Report.load(folder).evaluations if each.synset == "idc")
        for folder in (run, seeded_run)
    ]
    over = f"{statistics.fmean(means):.1f} ± {statistics.stdev(means):.1f}"
    assert re.search(rf"runs/small, runs/small-seed-1 +idc .* {over} +2\n", shown), "over the two seeds"
    assert "over seeds" not in succeeded("compare", str(run)).stdout
    both = json.loads(succeeded("compare", str(run), str(seeded_run), "--json").stdout)
    assert [each["run"] for each in both] == [str(run), str(seeded_run)]


def test_unfinished_runs_are_skipped(run: Path) -> None:
    unfinished = Path("runs/unfinished")
    unfinished.mkdir()
    (unfinished / "pipeline.toml").write_text("")
    shown = succeeded("compare", str(run), str(unfinished))
    assert shown.stderr == "runs/unfinished: skipped: unfinished\n"
    assert "runs/unfinished" not in shown.stdout
    names(refused("compare", str(unfinished)), "none of these runs is finished and scored", "give the folder")


def test_runs_without_scores_are_skipped(run: Path) -> None:
    bare = Path(shutil.copytree(run, "runs/bare"))
    Report.load(bare).model_copy(update={"evaluations": ()}).save(bare / "report.json")
    shown = succeeded("compare", str(run), str(bare))
    assert shown.stderr == "runs/bare: skipped: without scores\n"


def test_protocols_that_differ_have_a_column(run: Path) -> None:
    other = Path(shutil.copytree(run, "runs/b"))
    report = Report.load(other)
    protocol = "idc-2022 (changed: epochs 3, training.learning_rate 0.02)"
    changed = [each.model_copy(update={"protocol": protocol}) for each in report.evaluations]
    report.model_copy(update={"evaluations": tuple(changed)}).save(other / "report.json")
    shown = succeeded("compare", str(run), str(other)).stdout
    names(shown, "idc-2022 (changed: epochs 3)", protocol)
    assert "protocol:" not in shown
