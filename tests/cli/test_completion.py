"""What a shell completes after Tab."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from idc_cli.main import app


def completed(line: str, incomplete: str = "") -> list[str]:
    """What is offered after a line, for its last word."""
    words = ["idc", *line.split(), incomplete]
    shell = {
        "_IDC_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = CliRunner().invoke(app, [], env=shell, prog_name="idc")
    assert done.exit_code == 0, done.output
    return done.output.split()


def test_pipelines_are_files_folders_and_presets() -> None:
    Path("digits-of-mine.toml").touch()
    Path("digits-of-mine.txt").touch()
    Path("digits-below").mkdir()
    found = completed("run", "digits")
    assert {"digits-of-mine.toml", "digits-below/", "digits", "digits-dance"} <= set(found)
    assert "digits-of-mine.txt" not in found
    assert "small.toml" in completed("estimate", "")
    assert completed("presets show", "cifar10-ipc10-fas") == ["cifar10-ipc10-fast"]


def test_synsets_are_files_and_folders() -> None:
    Path("runs/one").mkdir(parents=True)
    Path("runs/one.safetensors").touch()
    assert completed("inspect", "runs/o") == ["runs/one/", "runs/one.safetensors"]
    assert completed("compare", "runs/o") == ["runs/one/"]


@pytest.mark.parametrize(
    ("incomplete", "offered"),
    [
        ("dec", ["decoder."]),
        ("decoder.ty", ["decoder.type="]),
        ("decoder.type=mul", ["decoder.type=multiformation"]),
        # Of the type that the preset has.
        ("decoder.fac", ["decoder.factor="]),
        ("decoder.mode=m", ["decoder.mode=multi"]),
        ("evaluate.", ["evaluate.0."]),
        ("evaluate.0.proto", ["evaluate.0.protocol="]),
        ("networks.training.augment.0.str", ["networks.training.augment.0.strategy="]),
        ("compile=t", ["compile=true"]),
        ("nonsense.x", []),
    ],
)
def test_settings_are_the_keys_of_the_pipeline(incomplete: str, offered: list[str]) -> None:
    assert completed("run digits --set", incomplete) == offered


def test_settings_of_a_file_that_cannot_be_read() -> None:
    assert completed("run absent.toml --set", "see") == ["seed="]


def test_lists_of_models() -> None:
    assert completed("evaluate runs --models", "convnet,vg") == ["convnet,vgg11"]


def test_devices_and_kinds_of_plugins() -> None:
    assert completed("run digits --device", "c") == ["cpu", "cuda"]
    assert completed("new", "dec") == ["decoder"]
