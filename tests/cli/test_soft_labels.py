"""Runs with a teacher's labels: what they train, store, print and compare."""

import json
import re
from pathlib import Path

import pytest

from command_line import idc, names, succeeded
from idc.data import cache
from idc.experiment.estimate import Estimate
from idc.experiment.report import Report
from idc.network.network import Network
from idc.synset.synset import Synset
from idc.training.recipe import Training

POOL = "pool={networks=2, epochs=[0, 1]}"
LABELS = ("--set", f"labels={{type='teacher', {POOL}}}", "--set", "evaluate.0.training.cutmix=0")
NAMED = ("--set", "name=small", "--device", "cpu")
RUN = ("run", "small.toml", *NAMED, *LABELS)
SCORED = ("--set", "evaluate.0.epochs=1", "--set", "evaluate.0.runs=1")
RECIPE = "idc-2022 (changed: epochs 1, training.cutmix 0.0), {} labels"


def trained() -> list[str]:
    return sorted(file.name for file in cache.folder().rglob("network-*"))


def test_every_score_says_which_labels() -> None:
    soft = succeeded(*RUN, *SCORED, "--out", "soft")
    names(soft.stdout, f"protocol: {RECIPE.format('soft')}")
    names(soft.stderr, "pretrain: done in", "networks trained: 2")
    assert soft.stderr.index("pretrain: done") > soft.stderr.index("choose baselines: done")
    hard = ("run", "small.toml", *NAMED, "--set", "evaluate.0.training.cutmix=0", *SCORED)
    names(succeeded(*hard, "--out", "hard").stdout, f"protocol: {RECIPE.format('hard')}")

    # 20 stored images of 64 numbers, and 10 numbers for each of 80 or 20 decoded images.
    budgets = {each.synset: each.budget for each in Report.load(Path("soft")).evaluations}
    assert budgets == {"idc": 20 * 64 + 80 * 10, "random": 20 * 64 + 20 * 10}
    assert Synset.load("soft").header.labels == "soft"
    names(Path("soft/report.html").read_text(), RECIPE.format("soft"))

    both = succeeded("compare", "soft", "hard", "--html", "both.html")
    names(both.stdout, RECIPE.format("soft"), RECIPE.format("hard"))
    # The legend of the plots too.
    assert re.search(r"idc, [^<]*soft labels", Path("both.html").read_text())
    compared = json.loads(succeeded("compare", "soft", "hard", "--json").stdout)
    said = [[each["labels"] for each in report["evaluations"]] for report in compared]
    assert said == [["soft", "soft"], ["hard", "hard"]]

    again = succeeded("evaluate", "soft", "--baselines", "--json", "--quiet", "--device", "cpu")
    reported = json.loads(Path("soft/report.json").read_text())["evaluations"]
    assert json.loads(again.stdout) == reported
    names(succeeded("inspect", "soft").stdout, "soft")


def test_labels_are_pretrained_and_estimated() -> None:
    for arguments in (("estimate", "small.toml", *NAMED, *LABELS), (*RUN, "--dry-run")):
        found = Estimate.model_validate(json.loads(succeeded(*arguments, "--json").stdout))
        assert found.budget == 20 * 64 + 80 * 10
        assert found.pretrain_operations > 0
        assert (found.pretrain_seconds is None) is ("--dry-run" in arguments)
        names(succeeded(*arguments).stdout, "20 images, 2,080 numbers", "flop pretraining, ")
    assert trained() == []
    made = succeeded("pretrain", "small.toml", *NAMED, *LABELS).stdout
    names(made, "networks trained: 2, there already: 0")
    assert trained() == ["network-0.safetensors", "network-1.safetensors"]
    # Matched networks of the same pool are the same files.
    networks = ("--set", f"networks={{type='between', {POOL}}}")
    both = succeeded("pretrain", "small.toml", *NAMED, *LABELS, *networks).stdout
    names(both, "networks trained: 0, there already: 2")
    assert len(trained()) == 2
    found = json.loads(succeeded("estimate", "small.toml", *NAMED, *LABELS, *networks, "--json").stdout)
    assert found["pretrain_operations"] == 0


def test_an_interruption_while_the_teachers_are_trained_trains_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Training.step_and_hits

    def interrupted(recipe: Training, network: Network, *rest: object) -> object:
        if network.streams.address == ("pool", 1):
            raise KeyboardInterrupt
        return original(recipe, network, *rest)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step_and_hits", interrupted)
        stopped = idc(*RUN, *SCORED, "--out", "first")
    assert stopped.exit_code == 130
    names(stopped.stderr, "stopped after 0 of 2 iterations", "--resume")
    assert trained() == ["network-0.safetensors"]
    assert Synset.load("first").header.labels == "hard", "labels come when the codes are finished"
    succeeded(*RUN, *SCORED, "--out", "first", "--resume")
    succeeded(*RUN, *SCORED, "--out", "second")
    first, second = Synset.load("first"), Synset.load("second")
    assert first.labels.equal(second.labels)
    assert first.header.labels == "soft"


def test_a_teacher_that_diverges_is_named() -> None:
    rate = ("--set", "labels.pool.training.learning_rate=1e30")
    failed = idc(*RUN, *rate, *SCORED)
    assert failed.exit_code == 1
    names(failed.stderr, "pool.training", "not finite", "lower pool.training.learning_rate")
    assert "Traceback" not in failed.stderr
    assert "are in" not in failed.stderr, "there are no codes yet"
