"""Pools of networks trained once: what they hold, who shares them, and which files are refused."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from idc.data import cache
from idc.data.fingerprint import digest
from idc.data.split import Split
from idc.errors import InputError, RunError, explain
from idc.files.tensorfile import read_header, write_tensors
from idc.network.network import Network
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.testing import SPEC, ToyModel, toy_split
from idc.training import pool_files
from idc.training.pool import Pool
from idc.training.pool_files import PoolHeader
from idc.training.pooled_network import PooledNetwork
from idc.training.recipe import Training
from pools import pretrained

MODEL = ToyModel()
"""Of 48 images: three batches of 20, 20 and 8 in an epoch."""
RECIPE = {"batch_size": 20, "learning_rate": 0.05}


def pool(**fields: Any) -> Pool:
    return Pool.model_validate({"networks": 2, "epochs": [0, 1, 2.4], "training": RECIPE, **fields})


def made(wanted: Pool, real: Split | None = None) -> tuple[PooledNetwork, ...]:
    real = real or toy_split()
    pretrained(wanted, real=real)
    return wanted.load(MODEL, real)


def missing(wanted: Pool, real: Split | None = None) -> int:
    return sum(not file.is_file() for file in wanted.files(MODEL, real or toy_split()))


def flat(network: Network) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in network.weights.values()])


def files() -> list[Path]:
    return sorted(cache.folder().rglob("network-*.safetensors"))


def refused(wanted: Pool, *parts: str, real: Split | None = None) -> None:
    """Everything that may look at the files refuses them, in order of what a user would see first."""
    real = real or toy_split()
    pattern = ".*".join(map(re.escape, parts))
    for look in (wanted.refuse_unfit, wanted.load):
        with pytest.raises(InputError, match=pattern):
            look(MODEL, real)


def test_networks_are_kept_at_their_ages() -> None:
    real = toy_split()
    shares: list[float] = []
    for number in range(2):
        pool().train(number, MODEL, real, shares.append)
    assert shares == pytest.approx([(batch + 1) / 7 for batch in range(7)] * 2)
    first, second = pool().load(MODEL, real)
    assert first.epochs == (0.0, 1.0, 2.4)
    recipe = Training.model_validate(RECIPE)
    network = MODEL.fresh(SPEC, Streams(0).child("pool", 0))
    for kept, batches in zip(first.networks, (0, 3, 7), strict=True):
        network = recipe.steps(network, real, batches - network.batches)
        assert torch.equal(flat(kept), flat(network))
        assert not any(each.any() for buffer in kept.optimizer.values() for each in buffer.values())
        assert kept.batches == 0
    assert not torch.equal(flat(first.networks[0]), flat(second.networks[0]))


def test_accuracies_are_of_the_batches_since_the_age_before() -> None:
    (network,) = made(pool(networks=1, epochs=[0, 1, 20, 21]))
    new, young, grown, old = network.accuracies
    assert new == 0
    assert 0 < young < old
    assert young < grown
    # Of 48 images.
    assert old * 48 / 100 == pytest.approx(round(old * 48 / 100), abs=1e-3)
    assert old > 90


def test_the_learning_rate_decays_as_in_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    original = Training.step_and_hits

    def counted(recipe: Training, network: Network, *rest: Any) -> Any:
        rates.append(rest[-1])
        return original(recipe, network, *rest)

    monkeypatch.setattr(Training, "step_and_hits", counted)
    made(pool(networks=1, epochs=[5], milestones=[0.5, 0.9], decay=0.1))
    assert rates == pytest.approx([0.05] * 6 + [0.005] * 6 + [0.0005] * 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": [2, 1]}, "epochs: .*ascend"),
        ({"epochs": [1, 1]}, "epochs: .*ascend"),
        ({"epochs": []}, "epochs: .*must not be empty"),
        ({"epochs": [0, 1], "milestones": [0.5]}, r"milestones: .*at least 1 / 1"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        pool(**fields)
    assert re.search(message, explain(caught.value))


def test_ages_that_are_the_same_batch_are_refused() -> None:
    with pytest.raises(InputError, match=r"pool\.epochs: 1 and 1\.1 are both 3 batches of 3"):
        pool(epochs=[1, 1.1]).refuse_unfit(MODEL, toy_split())
    with pytest.raises(InputError, match=r"pool\.epochs: 0 is 0 batches.*at least 0\.333"):
        pool(epochs=[0]).refuse_unfit(MODEL, toy_split())


def test_few_images_are_seen_in_more_epochs(tmp_path: Path) -> None:
    schedule: dict[str, Any] = {"networks": 1, "milestones": [0.5]}
    enough, more = {"epochs": [0, 1, 2], "min_batches": 12}, {"epochs": [0, 2, 4]}
    (stretched,) = made(pool(**schedule, **enough))
    assert stretched.epochs == (0.0, 2.0, 4.0)
    assert missing(pool(**schedule, **more)) == 0
    (written_out,) = made(pool(**schedule, **more, path=tmp_path))
    for one, same in zip(stretched.networks, written_out.networks, strict=True):
        assert torch.equal(flat(one), flat(same))
    # Which there are already.
    assert missing(pool(**schedule, **more, min_batches=11)) == 0


def test_a_small_pool_is_part_of_a_large_one() -> None:
    few = made(pool())
    kept = [file.stat().st_mtime_ns for file in files()]
    assert missing(pool(networks=3)) == 1
    assert pool(networks=3).training_images(toy_split()) == 2 * 48 + 20
    many = made(pool(networks=3))
    assert [file.stat().st_mtime_ns for file in files()][:2] == kept
    for one, same in zip(few, many, strict=False):
        assert torch.equal(flat(one.networks[-1]), flat(same.networks[-1]))


def test_what_determines_the_networks_names_their_folder() -> None:
    wanted = [
        pool(networks=1),
        pool(networks=1, seed=1),
        pool(networks=1, epochs=[0, 1]),
        pool(networks=1, training={**RECIPE, "momentum": 0.5}),
        pool(networks=1, decay=0.5),
    ]
    for each in wanted:
        assert missing(each) == 1
        made(each)
    assert missing(pool(networks=1), toy_split(seed=1)) == 1
    another_mean = SPEC.model_copy(update={"mean": (0.1, 0.1, 0.1)})
    assert missing(pool(networks=1), toy_split(spec=another_mean)) == 1
    with Execution("bf16").active():
        assert missing(pool(networks=1)) == 1
    assert len({file.parent for file in files()}) == len(wanted)
    assert [each.fingerprint(MODEL, toy_split()) for each in wanted] == [
        each.files(MODEL, toy_split())[0].parent.name for each in wanted
    ]


def test_a_folder_of_its_own_is_for_one_pool_only(tmp_path: Path) -> None:
    mine = pool(path=tmp_path)
    made(mine)
    assert len(list(tmp_path.iterdir())) == 2
    assert files() == []
    other = ("pool.path: ", "network-0.safetensors is a network of another", "idc pretrain PIPELINE")
    refused(mine, *other, real=toy_split(seed=1))
    refused(pool(path=tmp_path, training={"learning_rate": 0.5}), *other)
    refused(pool(path=tmp_path, seed=1), *other)
    with Execution("bf16").active():
        refused(mine, *other)
    first, second = sorted(tmp_path.iterdir())
    first.write_bytes(second.read_bytes())
    refused(mine, *other)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-10], "not a readable safetensors file"),
        (lambda content: content[:-10] + bytes([content[-10] ^ 1]) + content[-9:], "damaged"),
        (lambda content: b"", "not a readable safetensors file"),
    ],
    ids=["truncated", "flipped", "emptied"],
)
def test_damaged_files_are_refused(damage: Any, message: str) -> None:
    made(pool())
    file = files()[1]
    file.write_bytes(damage(file.read_bytes()))
    refused(pool(), f"pool.path: {file}", message)
    file.unlink()
    made(pool())


def test_files_of_another_kind_or_network_are_refused() -> None:
    made(pool())
    file = files()[0]
    header = read_header(file, PoolHeader).header
    write_tensors(file, {"x": torch.zeros(1)}, header)
    refused(pool(), "pool.path: ", "damaged")
    tensors = {"x": torch.zeros(1)}
    write_tensors(file, tensors, header.model_copy(update={"tensors": digest(tensors)}))
    with pytest.raises(InputError, match=r"pool\.path: .*its tensors are not those of toy"):
        pool().load(MODEL, toy_split())


def test_a_network_that_diverges_is_not_kept() -> None:
    with pytest.raises(RunError, match=r"pool\.training: .*network 0 is not finite.*learning_rate"):
        made(pool(training={**RECIPE, "learning_rate": 1e30}))
    assert files() == []


def test_a_folder_that_cannot_be_written_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "/proc/idc")
    with pytest.raises(RunError, match=r"/proc/idc/pools/.* cannot be written .*IDC_CACHE"):
        made(pool())


def test_a_network_that_is_missing_is_named() -> None:
    pool().train(0, MODEL, toy_split(), lambda share: None)
    with pytest.raises(InputError, match=r"pool\.path: there is no file .*network-1.*idc pretrain"):
        pool().load(MODEL, toy_split())


def test_files_are_read_once_and_mapped() -> None:
    first, again = made(pool()), pool().load(MODEL, toy_split())
    assert first is again
    if Path("/proc/self/maps").exists():
        assert str(files()[0]) in Path("/proc/self/maps").read_text()
    os.utime(files()[0], ns=(1, 1))
    assert pool().load(MODEL, toy_split()) is not first


def test_a_trial_leaves_nothing() -> None:
    assert pool().try_training(MODEL, toy_split()) == 48
    assert files() == []


def test_pools_are_listed_and_removed() -> None:
    assert pool_files.stored() == []
    made(pool())
    (stored,) = pool_files.stored()
    size = sum(file.stat().st_size for file in files())
    assert (stored.networks, stored.size) == (2, size)
    assert stored.header is not None
    assert stored.header.source == "toy, 2.4 epochs"
    young = stored.path / "network-3.abc.partial"
    young.write_bytes(b"1")
    assert pool_files.empty() == size
    assert list(stored.path.iterdir()) == [young], "it may still be written"
    os.utime(young, (0, 0))
    assert pool_files.empty() == 1
    assert not stored.path.exists()
    made(pool())
    young.write_bytes(b"1")
    os.utime(young, (0, 0))
    made(pool(networks=3))
    assert not young.exists(), "a killed process left it"
