"""What a run would store and take, as the command line says it."""

import json
from pathlib import Path

import pytest
import torch

from command_line import idc
from idc.experiment.estimate import Estimate


@pytest.mark.parametrize("arguments", [("run", "small.toml", "--dry-run"), ("estimate", "small.toml")])
def test_the_command_line_prints_it_and_leaves_nothing(arguments: tuple[str, ...]) -> None:
    done = idc(*arguments, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "20 images, 1,280 numbers, 5.12 kB" in done.stdout
    assert "4: 2 iterations of 2" in done.stdout
    assert ("time here" in done.stdout) is (arguments[0] == "estimate")
    as_json = Estimate.model_validate(json.loads(idc(*arguments, "--device", "cpu", "--json").stdout))
    assert as_json.budget == 1280
    assert [path.name for path in Path().iterdir()] == ["small.toml"]
    Path("runs/small").mkdir(parents=True)
    Path("runs/small/pipeline.toml").write_text("name = 'another'")
    again = idc(*arguments, "--device", "cpu")
    assert again.exit_code == 0
    assert ("note: the run would be refused: --out: runs/small holds another run" in again.stderr) is (
        arguments[0] == "run"
    )
    refused = idc(*arguments, "--set", "decoder.factor=20")
    assert refused.exit_code == 2
    assert "decoder.factor: 20 is larger than the image" in refused.stderr


@pytest.mark.parametrize("arguments", [("run", "small.toml", "--dry-run"), ("estimate", "small.toml")])
def test_nothing_is_fitted_for_an_estimate(
    arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[int] = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: fits.append(1))
    decoder = "{type = 'ddif', width = 4}"
    settings = ("--set", f"decoder={decoder}", "--set", f"baseline.0.decoder={decoder}")
    done = idc(*arguments, "--device", "cpu", *settings)
    assert done.exit_code == 0, done.output
    assert not fits
