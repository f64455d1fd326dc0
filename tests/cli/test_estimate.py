"""What a run would store and take, as the command line says it."""

import json
from pathlib import Path

import pytest
import torch

from command_line import idc, names, refused, succeeded
from idc.experiment.estimate import Estimate, estimate
from idc_cli import launch

COMMANDS = [("run", "small.toml", "--dry-run"), ("estimate", "small.toml")]


@pytest.mark.parametrize("arguments", COMMANDS)
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


@pytest.mark.parametrize("arguments", COMMANDS)
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


@pytest.fixture
def unstarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 12 cores on which no process must be started."""

    def refused(count: int) -> int:
        raise AssertionError(f"{count} processes were started")

    monkeypatch.setattr(launch, "launched", refused)
    monkeypatch.setattr(launch, "_cores", lambda: 12)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.delenv(launch.THREADS, raising=False)


@pytest.mark.usefixtures("unstarted")
@pytest.mark.parametrize("arguments", COMMANDS)
def test_several_processes_are_estimated_and_not_started(arguments: tuple[str, ...]) -> None:
    before = torch.get_num_threads()
    done = succeeded(*arguments, "--device", "cpu", "--processes", "4")
    assert torch.get_num_threads() == before
    names(done.stdout, "to match a class, 1.54 kB for a process's codes", "4 processes, 3 classes at most")
    tried = arguments[0] == "estimate"
    assert ("on cpu, eager, in 4 processes of 3 threads" in done.stdout) is tried
    assert (" times one process of 3 threads, of whose time " in done.stdout) is tried
    shown = json.loads(succeeded(*arguments, "--device", "cpu", "--processes", "auto", "--json").stdout)
    found = Estimate.model_validate(shown)
    assert (found.processes, found.most_classes) == (12, 1)
    assert found.threads == (1 if tried else None)
    names(refused(*arguments, "--processes", "none"), "--processes: 'none'", "auto or a number from 1")


@pytest.mark.usefixtures("unstarted")
def test_steps_are_tried_with_the_threads_of_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def counted(*arguments: object, **settings: object) -> Estimate:
        tried.append(torch.get_num_threads())
        return estimate(*arguments, **settings)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("idc_cli.runner.estimate.estimated", counted)
    dry = ("run", "small.toml", "--dry-run", "--device", "cpu", "--processes")
    before = torch.get_num_threads()
    succeeded(*dry, "1")
    succeeded(*dry, "2")
    succeeded(*dry, "100")
    monkeypatch.setenv(launch.THREADS, "5")
    succeeded(*dry, "2")
    # torch has read the variable when it was imported.
    assert tried == [before, 6, 1, before]
    assert torch.get_num_threads() == before


def test_of_processes_that_torchrun_has_started_the_first_estimates_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"RANK": "1", "WORLD_SIZE": "5", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert succeeded("estimate", "small.toml", "--device", "cpu").output == ""
    monkeypatch.setenv("RANK", "0")
    shown = succeeded("estimate", "small.toml", "--device", "cpu", "--quiet").stdout
    names(shown, "5 processes, 2 classes at most in each", f"of {torch.get_num_threads()} thread")
