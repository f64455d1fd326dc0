"""Which networks an objective sees, and how they are trained in between."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from golden_cases import GOLDEN
from idc.condensation.loop import condense
from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.network.network import Network
from idc.runtime.execution import EmulatedPrecision, Execution
from idc.seeding import Streams
from idc.stages.networks.frozen import Frozen
from idc.stages.networks.pretrained import Pretrained
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


def made(path: Path, **fields: object) -> Pretrained:
    pretrained = Pretrained(path=path, networks=2, first_epoch=2, epochs=2)
    networks = Real.model_validate({"pretrained": pretrained.model_dump(), **fields})
    shares: list[float] = []
    outcome = networks.pretrain(ToyModel(), toy_split(), Streams(0), shares.append)
    assert re.fullmatch(rf"networks in {path}: \d trained, \d .*exist.*", outcome)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    return pretrained


def test_pretrained_networks_are_kept_after_each_of_their_last_epochs(tmp_path: Path) -> None:
    pretrained = made(tmp_path)
    assert sorted(tmp_path.iterdir()) == pretrained.files()
    assert len(pretrained.files()) == 4
    kept = {file: file.stat().st_mtime_ns for file in pretrained.files()}
    (tmp_path / "network-1-epoch-3.safetensors").unlink()
    again = made(tmp_path)
    assert again.files()[0].stat().st_mtime_ns == kept[again.files()[0]], "it was there already"
    assert again.files()[3].is_file()


def test_a_condensation_starts_from_one_of_the_pretrained_networks(tmp_path: Path) -> None:
    networks, split = Real(pretrained=made(tmp_path)), toy_split()
    drawn = [weights(networks.start(0, None, ToyModel(), split, Streams(seed))) for seed in range(12)]
    assert len({tuple(each.tolist()) for each in drawn}) == 4
    fresh = weights(ToyModel().fresh(split.spec, Streams(0)))
    assert not any(torch.equal(each, fresh) for each in drawn)
    assert torch.equal(drawn[3], weights(networks.start(0, None, ToyModel(), split, Streams(3))))


def test_networks_pretrained_in_bf16_start_runs_in_bf16_alone(tmp_path: Path) -> None:
    pipeline = small_pipeline(
        networks__pretrained={"path": str(tmp_path), "networks": 1, "first_epoch": 1},
        iterations=1,
        baseline=[],
    )
    data = RealData(toy_split(), toy_split(seed=1))
    with Execution("bf16").active():
        pipeline.networks.pretrain(pipeline.model, data.train, Streams(0), lambda fraction: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmulatedPrecision)
        run = condense(pipeline.override({"precision": "bf16"}), data, device="cpu")
    assert len(list(run)) == 2
    with pytest.raises(InputError, match="precision"):
        condense(pipeline, data, device="cpu")


def test_pretrained_networks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    pretrained = Pretrained(path=tmp_path, networks=2, first_epoch=2, epochs=2)
    networks = Real(pretrained=pretrained)
    with pytest.raises(
        InputError, match=r"^networks\.pretrained\.path: .*/network-0-epoch-2\.safetensors; .*idc pretrain"
    ):
        networks.refuse_unfit(ToyModel(), toy_split())
    made(tmp_path)
    networks.refuse_unfit(ToyModel(), toy_split())
    others = r"^networks\.pretrained\.path: .*architecture.*other data.*another recipe.*folder.*idc pretrain"
    with pytest.raises(InputError, match=others):
        networks.refuse_unfit(ToyModel(), toy_split(seed=1))
    with pytest.raises(InputError, match=others):
        made(tmp_path, training={"learning_rate": 0.5})
    file = pretrained.files()[0]
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(InputError, match=rf"networks\.pretrained\.path: {file}: .*not a pretrained network"):
        networks.refuse_unfit(ToyModel(), toy_split())
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match=rf"networks\.pretrained\.path: {file}: not a readable"):
        networks.refuse_unfit(ToyModel(), toy_split())


@pytest.mark.parametrize("networks", [Real(), Frozen(), Synthetic()])
def test_there_may_be_nothing_to_pretrain(networks: Real | Frozen | Synthetic) -> None:
    with pytest.raises(InputError, match=r"networks: .*(nothing to pretrain|needs no pretrained networks)"):
        networks.pretrain(ToyModel(), toy_split(), Streams(0), lambda share: None)
