"""Which networks an objective sees, and how they are trained in between."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from golden_cases import GOLDEN
from idc.condensation.loop import condense
from idc.data.split import Split
from idc.network.network import Network
from idc.seeding import Streams
from idc.stages.networks.frozen import Frozen
from idc.stages.networks.real import Real
from idc.stages.networks.synthetic import Synthetic, default_epochs
from idc.testing import ToyModel, toy_split
from idc.training.recipe import Training
from small import small_pipeline

LOOPS = json.loads((GOLDEN / "schedules.json").read_text())["dc_loops"]


def weights(network: Network) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in network.weights.values()])


def never() -> Split:
    pytest.fail("the synthetic images are not needed")


def test_frozen_networks_are_fresh_in_every_iteration_and_stay_as_they_are() -> None:
    split = toy_split()
    first = Frozen().start(0, None, ToyModel(), split, Streams(0).child(0))
    assert Frozen().train(first, split, never) is first
    second = Frozen().start(1, first, ToyModel(), split, Streams(0).child(1))
    assert not torch.equal(weights(first), weights(second))


@pytest.mark.parametrize("case", LOOPS, ids=str)
def test_the_epochs_of_dc(case: dict[str, int]) -> None:
    if case["ipc"] == 1:
        # One outer step and none after it, so that there is nothing to train for.
        assert case["outer_loop"] == 1
    else:
        assert (case["ipc"], default_epochs(case["ipc"])) == (case["outer_loop"], case["inner_loop"])


def test_other_images_per_class_follow_the_rule() -> None:
    assert [default_epochs(count) for count in (5, 100, 1000)] == [100, 5, 1]


def test_dcs_networks_train_on_the_synthetic_images(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Split] = []
    original = Training.step

    def step(recipe: Training, network: Network, split: Split, *rest: Any) -> Network:
        seen.append(split)
        return original(recipe, network, split, *rest)

    monkeypatch.setattr(Training, "step", step)
    real, syn = toy_split(), toy_split(5, seed=1)
    networks = Synthetic.model_validate({"epochs": 3, "training": {"batch_size": 4}})
    started = networks.start(0, None, ToyModel(), real, Streams(0))
    trained = networks.train(started, real, lambda: syn)
    assert len(seen) == 3 * 3
    assert all(split is syn for split in seen)
    assert not torch.equal(weights(started), weights(trained))
    # The recipe that the table does not change stays DC's, which is not that of other trainings.
    assert (networks.training.momentum, networks.training.weight_decay) == (0.0, 0.0)
    seen.clear()
    Synthetic().train(started, real, lambda: syn)
    assert len(seen) == 100


def counted(monkeypatch: pytest.MonkeyPatch, kind: type[Real] | type[Synthetic]) -> list[int]:
    calls: list[int] = []
    original: Callable[..., Network] = kind.train

    def train(networks: Any, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        calls.append(network.batches)
        return original(networks, network, real, synthetic)

    monkeypatch.setattr(kind, "train", train)
    return calls


def test_no_network_is_trained_that_is_not_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = counted(monkeypatch, Real)
    list(condense(small_pipeline(iterations=3, inner_steps=2), device="cpu"))
    assert len(calls) == 3
    calls.clear()
    list(condense(small_pipeline(iterations=3, inner_steps=2, networks__every=2), device="cpu"))
    # The first network lasts two iterations of two steps, hence three trainings; the second, one.
    assert len(calls) == 4
    assert calls[:3] == sorted(calls[:3])


def test_dc_condenses() -> None:
    pipeline = small_pipeline(
        init__type="noise",
        decoder__type="raw",
        networks={"type": "synthetic", "epochs": 2},
        objective={"type": "gradient", "metric": "cos", "fc": True},
        optimizer={"learning_rate": 0.1, "step": "joint"},
        iterations=5,
    )
    losses = [float(step.loss) for step in condense(pipeline, device="cpu")]
    assert losses[-2] < losses[0]


@pytest.mark.parametrize("networks", [Real(), Frozen(), Synthetic()])
def test_there_may_be_nothing_to_pretrain(networks: Real | Frozen | Synthetic) -> None:
    assert tuple(networks.pools()) == ()
