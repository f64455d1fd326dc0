"""What a run would store and take."""

import json
from pathlib import Path

import pytest

from command_line import idc
from idc.engine import condense
from idc.estimate import Estimate, estimate
from small import small_pipeline


def of(*, trial: bool = False, **overrides: object) -> Estimate:
    return estimate(condense(small_pipeline(**overrides), device="cpu"), trial=trial)


def test_what_is_stored() -> None:
    found = of()
    assert (found.stored_images, found.images, found.budget) == (20, 80, 20 * 64)
    assert (found.steps, found.synsets) == (4, 2)
    assert found.memory is not None
    assert found.memory > 100_000
    assert (found.condense_seconds, found.evaluate_seconds) == (None, None)


def test_arithmetic_counts_matching_training_and_scoring() -> None:
    found, longer = of(), of(iterations=4)
    assert longer.condense_operations == pytest.approx(2 * found.condense_operations)
    untrained = of(networks__images=0)
    # Two of the 64-image batches of training after each of four steps, forwards and backwards.
    per_image = (found.condense_operations - untrained.condense_operations) / (4 * 128 * 3)
    assert found.evaluate_operations == pytest.approx(2 * 2 * 3 * 80 * 3 * per_image)
    assert of(evaluate=[]).evaluate_operations == 0
    assert of(snapshot_every=1).evaluate_operations == pytest.approx(2 * found.evaluate_operations)
    assert of(iterations=0).condense_operations == 0


def test_networks_trained_on_synthetic_images_are_counted_too() -> None:
    found = of(networks={"type": "synthetic", "epochs": 3})
    frozen = of(networks={"type": "frozen"})
    per_image = (of().condense_operations - frozen.condense_operations) / (4 * 128)
    assert found.condense_operations - frozen.condense_operations == pytest.approx(4 * 3 * 80 * per_image)


def test_a_trial_tells_the_time() -> None:
    found = of(trial=True)
    assert found.condense_seconds is not None
    assert found.condense_seconds > 0
    assert found.evaluate_seconds is not None
    assert found.evaluate_seconds > 0
    nothing = of(trial=True, iterations=0, evaluate=[])
    assert (nothing.condense_seconds, nothing.evaluate_seconds) == (0.0, 0.0)
    assert of(trial=True, iterations=1, inner_steps=1).condense_seconds


@pytest.mark.parametrize("arguments", [("run", "small.toml", "--dry-run"), ("estimate", "small.toml")])
def test_the_command_line_prints_it_and_leaves_nothing(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(small_pipeline().toml())
    done = idc(*arguments, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "20 images, 1,280 numbers" in done.stdout
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
