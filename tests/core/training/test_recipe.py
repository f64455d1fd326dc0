"""Training steps and the order of the data."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from golden_cases import GOLDEN
from idc.data.split import Split
from idc.network.network import Network
from idc.runtime import compiler
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.stages.evaluators.protocols import PROTOCOLS
from idc.stages.networks.real import Real
from idc.testing import SPEC, ToyModel, toy_split
from idc.testing.assertions import META
from idc.training.recipe import Training, accuracy, hits
from idc_models.convnet import ConvNet


def network(seed: int = 0) -> Network:
    with Streams(seed).seeded("weights"):
        return Network.of(ToyModel().build(SPEC), Streams(seed))


def test_a_step_is_torchs_sgd() -> None:
    split, trained = toy_split(), network()
    recipe = Training(batch_size=7, learning_rate=0.1, momentum=0.9, weight_decay=0.01)
    preprocessing = recipe.preprocessing(split)
    reference = ToyModel().build(SPEC)
    reference.load_state_dict(trained.weights)
    sgd = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    order = torch.cat(
        [torch.randperm(48, generator=Streams(0).generator("order", epoch)) for epoch in (0, 1)]
    )
    taken = [*order[:48].split(7), *order[48:].split(7)]
    for indices in taken[:9]:
        sgd.zero_grad()
        images = preprocessing(split.images(indices))
        nn.functional.cross_entropy(reference(images), split.labels[indices]).backward()
        sgd.step()
        trained = recipe.step(trained, split, preprocessing)
    for name, weight in reference.named_parameters():
        torch.testing.assert_close(trained.weights[name], weight.detach())
    assert trained.batches == 9


def test_a_step_is_torchs_adamw() -> None:
    split = toy_split()
    split, trained = replace(split, pixels=split.images().double()), in_float64(network())
    rates = (0.1, 0.1, 0.05, 0.02)
    recipe = Training(optimizer="adamw", batch_size=48, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)
    preprocessing = recipe.preprocessing(split)
    reference = ToyModel().build(SPEC).double()
    reference.load_state_dict(trained.weights)
    adamw = torch.optim.AdamW(reference.parameters(), betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)
    images = preprocessing(split.images())
    for rate in rates:
        adamw.param_groups[0]["lr"] = rate
        adamw.zero_grad()
        nn.functional.cross_entropy(reference(images), split.labels).backward()
        adamw.step()
        trained = recipe.step(trained, split, preprocessing, rate)
    for name, weight in reference.named_parameters():
        torch.testing.assert_close(trained.weights[name], weight.detach(), rtol=1e-12, atol=1e-12)
        mean = adamw.state[weight]["exp_avg"]
        torch.testing.assert_close(trained.optimizer["exp_avg"][name], mean, rtol=1e-12, atol=1e-12)
    assert trained.optimizer_steps == 4
    rested = trained.at_rest()
    assert (rested.optimizer, rested.optimizer_steps, rested.batches) == ({}, 0, 4)


@pytest.mark.slow
def test_steps_of_adamw_share_one_graph_that_computes_the_same() -> None:
    split, recipe = toy_split(8), Training(optimizer="adamw", batch_size=16, learning_rate=0.01)
    eager = recipe.steps(network(), split, 3)
    begun = len(compiler._graphs)  # pyright: ignore[reportPrivateUsage]
    with Execution(compile=True).active():
        compiled = recipe.steps(network(), split, 3)
    assert len(compiler._graphs) == begun + 1  # pyright: ignore[reportPrivateUsage]
    for name, weight in eager.weights.items():
        torch.testing.assert_close(compiled.weights[name], weight)


def test_another_optimizer_begins_anew() -> None:
    split = toy_split()
    trained = Training().steps(network(), split, 3)
    assert (set(trained.optimizer), trained.optimizer_steps) == ({"velocity"}, 3)
    other = Training(optimizer="adamw").steps(trained, split, 2)
    assert (set(other.optimizer), other.optimizer_steps) == ({"exp_avg", "exp_avg_sq"}, 2)
    assert other.batches == 5


def in_float64(network: Network) -> Network:
    network.module.double()
    return replace(network, weights={name: weight.double() for name, weight in network.weights.items()})


def test_training_does_not_touch_the_module_or_the_network_given() -> None:
    split, before = toy_split(), network()
    kept = {name: weight.clone() for name, weight in before.weights.items()}
    recipe = Training(cutmix=1.0)
    after = recipe.step(before, split, recipe.preprocessing(split))
    assert all(torch.equal(before.weights[name], weight) for name, weight in kept.items())
    assert not torch.equal(after.weights["linear.weight"], kept["linear.weight"])
    assert torch.equal(dict(before.module.named_parameters())["linear.weight"], kept["linear.weight"])


def test_batch_norm_statistics_follow_training() -> None:
    split = toy_split()
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    before = Network.of(module, Streams(0))
    recipe = Training()
    after = recipe.step(before, split, recipe.preprocessing(split))
    assert before.buffers["1.num_batches_tracked"] == 0
    assert after.buffers["1.num_batches_tracked"] == 1
    assert not torch.equal(after.buffers["1.running_mean"], before.buffers["1.running_mean"])
    accuracy(after, split, split.spec)
    assert after.buffers["1.num_batches_tracked"] == 1
    assert module.training


def test_training_learns_and_accuracy_is_in_percent() -> None:
    split, held_out, trained = toy_split(100), toy_split(100, seed=1), network()
    recipe = Training(learning_rate=0.1)
    preprocessing = recipe.preprocessing(split)
    assert accuracy(trained, held_out, split.spec) < 80
    for _ in range(100):
        trained = recipe.step(trained, split, preprocessing)
    assert accuracy(trained, held_out, split.spec, batch_size=7) > 95


SIMULATED = json.loads((GOLDEN / "schedules.json").read_text())["idc_net_update"]["simulated"]


@pytest.mark.parametrize("case", SIMULATED)
def test_real_networks_take_the_batches_of_idc(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def step(recipe: Training, given: Network, split: Split, _: object) -> Network:
        sizes.append(recipe.size_of_next(given, split))
        return replace(given, batches=given.batches + 1)

    monkeypatch.setattr(Training, "step", step)
    count, wanted, batch_size = case["n_real"], case["n_data"], case["batch_size"]
    split = toy_split(count // 2)
    networks = Real.model_validate({"images": wanted, "training": {"batch_size": batch_size}})
    trained = networks.start(0, None, ToyModel(), split, Streams(0))
    taken: list[list[int]] = []
    for _ in case["batch_sizes_per_inner_step"]:
        sizes.clear()
        trained = networks.train(trained, split, lambda: pytest.fail("the synthetic images are not needed"))
        taken.append(list(sizes))
    assert taken == case["batch_sizes_per_inner_step"]


def test_a_network_lasts_as_many_iterations_as_asked() -> None:
    networks, split = Real(every=2), toy_split()
    first = networks.start(0, None, ToyModel(), split, Streams(0).child(0))
    assert networks.start(1, first, ToyModel(), split, Streams(0).child(1)) is first
    second = networks.start(2, first, ToyModel(), split, Streams(0).child(2))
    assert second is not first
    assert not torch.equal(first.weights["linear.weight"], second.weights["linear.weight"])


def test_warm_up_takes_whole_passes() -> None:
    split = toy_split()
    networks = Real.model_validate({"warmup_epochs": 3, "training": {"batch_size": 20}})
    assert networks.start(0, None, ToyModel(), split, Streams(0)).batches == 9


# Kornia's crop reads its borders from the device.
@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if "imagenet" not in name])
def test_trains_and_scores_on_another_device(protocol: str) -> None:
    recipe = Training.model_validate(PROTOCOLS[protocol]["training"] | {"batch_size": 40})
    split = toy_split().to(META)
    trained = ConvNet(depth=1, width=2, norm="batch").fresh(SPEC, Streams(0), META)
    # A whole batch, the smaller last one of an epoch, and the first of the next.
    trained = recipe.steps(trained, split, recipe.batches_per_epoch(split) + 1)
    tensors = (trained.weights, trained.buffers, *trained.optimizer.values())
    assert {tensor.device for some in tensors for tensor in some.values()} == {META}
    assert hits(trained, split, split.spec, batch_size=40).device == META
