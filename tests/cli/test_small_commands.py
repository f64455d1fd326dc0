"""``idc pretrain``, ``plugins``, ``schema`` and ``--version``."""

import json
from pathlib import Path

from command_line import idc, names, refused, succeeded


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


def test_schema_is_json_schema() -> None:
    schema = json.loads(idc("schema").stdout)
    assert schema["properties"]["images_per_class"]["minimum"] == 1


def test_version() -> None:
    assert idc("--version").stdout.startswith("idc 0.1.0 (idc-core 0.1.0, torch ")
