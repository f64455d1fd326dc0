"""``idc pretrain``, ``presets``, ``plugins``, ``schema`` and ``--version``."""

import json
from pathlib import Path

import pytest

from command_line import idc, names, refused, succeeded
from idc import Pipeline


def test_pretrain_makes_the_networks_that_a_run_starts_from() -> None:
    settings = ["--set", "networks.pool={path='nets', networks=2, epochs=[1]}", "--device", "cpu"]
    names(succeeded("pretrain", "small.toml", *settings).stdout, "pool in nets", "networks trained: 2")
    names(succeeded("pretrain", "small.toml", *settings).stdout, "pool in nets", "networks trained: 0")
    assert len(list(Path("nets").glob("*.safetensors"))) == 2
    ran = succeeded("run", "small.toml", "--set", "evaluate=[]", *settings)
    assert "pretrain" not in ran.stderr
    names(refused("pretrain", "small.toml"), "nothing to pretrain")


def test_plugins_lists_types_and_distributions() -> None:
    shown = idc("plugins").stdout
    for text in ("multiformation", "idc_example_plugin.flip:Flip", "idc-example-plugin 0.1.0"):
        assert text in shown
    listed = json.loads(idc("plugins", "--json").stdout)
    assert {"table": "init", "group": "idc.initializers", "type": "mix"}.items() <= next(
        each for each in listed if each["type"] == "mix"
    ).items()


def test_a_type_is_described() -> None:
    shown = succeeded("plugins", "decoder", "multiformation").stdout
    names(shown, "IDC, section 3", "factor", "Tiles along each side.")
    assert "type" not in [line.split()[0] for line in shown.splitlines() if line]
    schema = json.loads(succeeded("plugins", "decoder", "multiformation", "--json").stdout)
    assert schema["properties"]["factor"]["default"] == 2
    listed = succeeded("plugins", "decoder").stdout
    assert "multiformation" in listed
    assert "convnet" not in listed
    names(refused("plugins", "decodr"), "'decodr'", "did you mean 'decoder'")
    names(refused("plugins", "decoder", "multi"), "decoder: ", "'multi'", "installed: ")


def test_schema_is_json_schema() -> None:
    schema = json.loads(idc("schema").stdout)
    assert schema["properties"]["images_per_class"]["minimum"] == 1


def test_version() -> None:
    assert idc("--version").stdout.startswith("idc 0.1.0 (idc-core 0.1.0, torch ")


def test_presets_are_listed_and_printed() -> None:
    shown = succeeded("presets").stdout
    row = next(line.split() for line in shown.splitlines() if line.startswith("cifar10-ipc10-idc "))
    assert row[1:5] == ["cifar10", "10", "idc", "67.5"]
    some = succeeded("presets", "--named", "digits-").stdout
    assert "digits-dance" in some
    assert "cifar10-ipc10-idc" not in some
    listed = json.loads(succeeded("presets", "--json").stdout)
    digits = next(each for each in listed if each["name"] == "digits")
    assert digits["operations"] == pytest.approx(9e11, rel=0.01)
    printed = succeeded("presets", "show", "cifar10-ipc10-idc").stdout
    Path("mine.toml").write_text(printed)
    mine = Pipeline.load("mine.toml", {"name": "cifar10-ipc10-idc"})
    assert mine == Pipeline.load("cifar10-ipc10-idc")
    # What it extends is in it, what no file says is not.
    assert "multiformation" in printed
    assert "extends" not in printed
    assert "seed" not in printed
    assert "seed = 0" in succeeded("presets", "show", "cifar10-ipc10-idc", "--defaults").stdout
    names(refused("presets", "show", "cifar10-ipc10-idcc"), "did you mean 'cifar10-ipc10-idc'")


def test_a_preset_runs_by_its_name() -> None:
    shown = succeeded("run", "digits", "--dry-run", "--device", "cpu").stdout
    names(shown, "10 images, 2,560 numbers")
