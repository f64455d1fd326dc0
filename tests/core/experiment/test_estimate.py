"""What a run would store and take."""

from typing import Any

import pytest
import torch

from idc.condensation.loop import condense
from idc.data.split import Split
from idc.experiment.estimate import Estimate, estimate
from idc.network.network import Network
from idc.training.recipe import Training
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
    # Two batches of 64 images, forwards and backwards, between the two steps of both iterations.
    per_image = (found.condense_operations - untrained.condense_operations) / (2 * 128 * 3)
    # The result decodes to 80 images, and the baseline to 20.
    assert found.evaluate_operations == pytest.approx((80 + 20) * 2 * 3 * 3 * per_image)
    assert of(evaluate=[]).evaluate_operations == 0
    on_the_way = of(snapshot_every=1).evaluate_operations - found.evaluate_operations
    assert on_the_way == pytest.approx(2 * 0.8 * found.evaluate_operations)
    assert of(iterations=0).condense_operations == 0


@pytest.mark.parametrize(
    "networks",
    [
        {"type": "real", "images": 100},
        {"type": "real", "images": 100, "every": 2},
        {"type": "real", "images": 100, "warmup_epochs": 1},
        {"type": "synthetic", "epochs": 3},
        {"type": "frozen"},
    ],
    ids=str,
)
@pytest.mark.parametrize("inner_steps", [1, 3])
def test_images_that_networks_are_trained_on_are_counted_as_they_are(
    networks: dict[str, object], inner_steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = condense(
        small_pipeline(networks=networks, inner_steps=inner_steps, iterations=4, evaluate=[], baseline=[]),
        device="cpu",
    )
    trained: list[int] = []
    step = Training.step

    def counted(self: Training, network: Network, split: Split, *rest: Any) -> Network:
        trained.append(self.size_of_next(network, split))
        return step(self, network, split, *rest)

    monkeypatch.setattr(Training, "step", counted)
    for _ in run:
        pass
    plan = run.pipeline
    told = plan.iterations * plan.networks.trained_images(plan.inner_steps, run.data.train, 80)
    assert told == pytest.approx(sum(trained), rel=0.1)


def test_a_trial_tells_the_time() -> None:
    found = of(trial=True)
    assert found.condense_seconds is not None
    assert found.evaluate_seconds is not None
    # Not to be judged by a clock; but a thousand times the work is more, however busy the machine is.
    longer = of(trial=True, iterations=2_000, evaluate__0__epochs=3_000)
    assert longer.condense_seconds is not None
    assert longer.condense_seconds > 20 * found.condense_seconds > 0
    assert longer.evaluate_seconds is not None
    assert longer.evaluate_seconds > 20 * found.evaluate_seconds > 0
    nothing = of(trial=True, iterations=0, evaluate=[])
    assert (nothing.condense_seconds, nothing.evaluate_seconds) == (0.0, 0.0)
    assert of(trial=True, iterations=1, inner_steps=1).condense_seconds


FITTED = [{"type": "ddif", "width": 4}, {"type": "gsdd", "gaussians": 4}]


@pytest.mark.parametrize("decoder", FITTED, ids=str)
def test_baselines_are_counted_without_a_fit(
    decoder: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    described = decoded_images(decoder)
    fits: list[int] = []
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: fits.append(1))
    baseline = {"name": "fitted", "init": {"type": "random"}, "decoder": decoder, "draws": 3}
    found, without = of(baseline=[baseline]), of(baseline=[])
    assert not fits
    assert found.synsets == 4
    more = found.evaluate_operations / without.evaluate_operations
    assert more == pytest.approx(1 + 3 * described / found.images)


def decoded_images(decoder: dict[str, object]) -> int:
    """Training images that the codes of a decoder, fitted for a step, decode to."""
    plan = small_pipeline(
        decoder={**decoder, "fit_steps": 1}, init={"type": "random"}, iterations=0, baseline=[], evaluate=[]
    )
    return condense(plan, device="cpu").synset().header.images
