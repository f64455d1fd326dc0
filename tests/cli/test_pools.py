"""Pools of networks and the command line: made by the first run, shown apart, listed and removed."""

import json
from pathlib import Path

import pytest

from command_line import idc, names, refused, succeeded
from idc.data import cache
from idc.experiment.estimate import Estimate
from idc.experiment.report import Report
from idc.network.network import Network
from idc.training import pool_files
from idc.training.recipe import Training
from idc_cli.run_folder.log import Log

POOL = ("--device", "cpu", "--set", "networks={type='between', pool={networks=2, epochs=[0, 1]}}")
RUN = ("run", "small.toml", *POOL)
SCORED = ("--set", "evaluate.0.epochs=1", "--set", "evaluate.0.runs=1")


def files() -> list[Path]:
    return sorted(cache.folder().rglob("network-*"))


def test_the_first_run_makes_the_pool_and_the_next_finds_it() -> None:
    first = succeeded(*RUN, *SCORED, "--out", "first")
    names(first.stderr, "pretrain: done in", f"pool in {pool_files.folder()}", "networks trained: 2")
    made = {file: file.stat().st_mtime_ns for file in files()}
    assert len(made) == 2
    seconds = Report.load(Path("first")).seconds
    assert seconds["pretrain"] == pytest.approx(Log(Path("first")).pretraining_seconds())
    assert seconds.keys() == {"pretrain", "condense", "evaluate"}
    assert "after training a pool" in Path("first/report.html").read_text()
    # Another seed, budget and decoder.
    others = ("--set", "seed=1", "--set", "images_per_class=1", "--set", "decoder.type=raw")
    second = succeeded(*RUN, *SCORED, *others, "--set", "init.type=random", "--out", "second")
    assert "pretrain" not in second.stderr
    assert {file: file.stat().st_mtime_ns for file in files()} == made
    assert Report.load(Path("second")).seconds.keys() == {"condense", "evaluate"}


def test_estimates_show_the_pretraining_apart_and_do_not_make_it() -> None:
    for arguments in (("estimate", "small.toml", *POOL), (*RUN, "--dry-run")):
        shown = succeeded(*arguments)
        assert "flop pretraining, " in shown.stdout
        found = Estimate.model_validate(json.loads(succeeded(*arguments, "--json").stdout))
        assert found.pretrain_operations > 0
        assert (found.pretrain_seconds is None) is ("--dry-run" in arguments)
        assert found.pretrain_seconds is None or found.pretrain_seconds > 0
    assert files() == []
    succeeded("pretrain", "small.toml", *POOL)
    found = Estimate.model_validate(json.loads(succeeded("estimate", "small.toml", *POOL, "--json").stdout))
    assert (found.pretrain_operations, found.pretrain_seconds) == (0, 0)
    assert "pretraining" not in succeeded("estimate", "small.toml", *POOL).stdout


def test_a_run_interrupted_while_it_pretrains_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Training.step_and_hits

    def interrupted(recipe: Training, network: Network, *rest: object) -> object:
        if network.streams.address == ("pool", 1):
            raise KeyboardInterrupt
        return original(recipe, network, *rest)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step_and_hits", interrupted)
        stopped = idc(*RUN, "--out", "first")
    assert stopped.exit_code == 130
    names(stopped.stderr, "stopped after 0 of 2 iterations", "--resume")
    assert [file.name for file in files()] == ["network-0.safetensors"]
    resumed = succeeded(*RUN, *SCORED, "--out", "second")
    names(resumed.stderr, "networks trained: 1, there already: 1")


def test_a_damaged_pool_is_refused_before_the_run() -> None:
    succeeded("pretrain", "small.toml", *POOL)
    file = files()[0]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    for command in ("run", "estimate", "pretrain"):
        names(refused(command, "small.toml", *POOL), "networks: pool.path: ", str(file), "remove it")


def test_pools_are_in_the_cache() -> None:
    succeeded("pretrain", "small.toml", *POOL)
    (pool,) = pool_files.stored()
    listed = idc("cache").stdout
    names(listed, "pool", "2 of convnet")
    (described,) = (each for each in json.loads(idc("cache", "--json").stdout) if each["kind"] == "pool")
    assert (described["path"], described["bytes"], described["networks"]) == (str(pool.path), pool.size, 2)
    names(described["source"], "convnet", "1 epochs")
    assert idc("cache", "--empty").stdout.startswith("removed ")
    assert pool_files.stored() == []
