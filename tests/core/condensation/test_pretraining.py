"""Training what stages declare: once, divided over processes, with one account of it."""

import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from idc.condensation import pretraining
from idc.condensation.loop import Condensation, condense
from idc.condensation.pretraining import Declared, Pretraining
from idc.data import cache
from idc.errors import InputError
from idc.experiment.estimate import estimate
from idc.kinds import RealData
from idc.network.network import Network
from idc.runtime.processes import Processes
from idc.testing import ToyModel, toy_split
from idc.training import pool_files
from idc.training.pool import Pool
from idc.training.recipe import Training
from messages import assert_names
from pools import pretrained
from process_group import run_together
from small import small_pipeline

DATA = RealData(toy_split(), toy_split(seed=1))
POOL: dict[str, Any] = {"networks": 2, "epochs": [0, 1], "training": {"batch_size": 20}}
OTHER: dict[str, Any] = {**POOL, "networks": 3, "epochs": [0, 2]}


def pool(**fields: Any) -> Pool:
    return Pool.model_validate({**POOL, **fields})


def run_of(networks: dict[str, Any], labels: dict[str, Any], **overrides: object) -> Condensation:
    plan = small_pipeline(
        augment=[],
        networks={"type": "between", "pool": networks},
        labels={"type": "teacher", "pool": labels},
        evaluate__0__training={"cutmix": 0.0},
        **overrides,
    )
    return condense(plan, DATA, device="cpu")


def files() -> list[Path]:
    return sorted(cache.folder().rglob("network-*.safetensors"))


def test_all_pools_are_one_list_with_one_progress() -> None:
    fractions: list[float] = []
    said = run_of(POOL, OTHER).pretrain(fractions.append)
    assert said is not None
    assert_names(said, "networks trained: 2, there already: 0; pool in ", "networks trained: 3")
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert sum(fraction == 1 for fraction in fractions) <= 2, "it went from 0 to 1 once"
    # By images: two networks of one epoch and three of two.
    assert any(fraction == pytest.approx(2 / 8) for fraction in fractions)


def test_a_pool_that_both_use_is_trained_once() -> None:
    said = run_of(POOL, {**POOL, "networks": 3}).pretrain()
    assert said is not None
    assert said.endswith("networks trained: 3, there already: 0")
    assert said.count("pool in") == 1
    assert [file.name for file in files()] == [f"network-{number}.safetensors" for number in range(3)]


def test_estimates_count_what_is_missing_of_both_pools() -> None:
    def operations(networks: dict[str, Any], labels: dict[str, Any], **overrides: object) -> float:
        return estimate(run_of(networks, labels, **overrides), trial=False).pretrain_operations

    one, other = operations(POOL, POOL), operations(OTHER, OTHER)
    # Two networks of one epoch, or three of two.
    assert other == pytest.approx(3 * one)
    assert operations(POOL, OTHER) == pytest.approx(one + other)
    assert operations(POOL, {**POOL, "networks": 3}) == pytest.approx(1.5 * one)
    assert operations(POOL, OTHER, iterations=0) == pytest.approx(other)
    pretrained_by_run = run_of(POOL, OTHER)
    pretrained_by_run.pretrain()
    assert operations(POOL, {**POOL, "networks": 3}) == pytest.approx(0.5 * one)


def test_the_time_of_both_pools_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[float, ...]] = []
    original = Pool.try_training

    def counted(self: Pool, *rest: Any) -> int:
        tried.append(self.epochs)
        return original(self, *rest)

    monkeypatch.setattr(Pool, "try_training", counted)
    found = estimate(run_of(POOL, OTHER), trial=True)
    assert found.pretrain_seconds is not None
    assert found.pretrain_seconds > 0
    assert set(tried) == {(0.0, 1.0), (0.0, 2.0)}


def test_messages_name_the_table_of_the_pool() -> None:
    unfit = {**POOL, "epochs": [1, 1.01]}
    with pytest.raises(InputError, match=r"^networks: pool\.epochs: 1 and 1\.01"):
        run_of(unfit, POOL)
    with pytest.raises(InputError, match=r"^labels: pool\.epochs: 1 and 1\.01"):
        run_of(POOL, unfit)


def test_different_pools_in_one_folder_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    path = str(tmp_path / "pool")
    with pytest.raises(InputError) as error:
        run_of({**POOL, "path": path}, {**OTHER, "path": path})
    assert_names(str(error.value), "labels: pool.path: ", path, "[networks]", "set another folder")
    run_of({**POOL, "path": path}, {**POOL, "path": path})
    assert not Path(path).exists()


def test_an_interruption_loses_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Training.step_and_hits

    def interrupted(recipe: Training, network: Network, *rest: Any) -> Any:
        if network.streams.address[-1] == 1 and network.batches == 2:
            raise KeyboardInterrupt
        return original(recipe, network, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "step_and_hits", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrained(pool(networks=3))
    assert [file.name for file in files()] == ["network-0.safetensors"]
    (said,) = pretrained(pool(networks=3))
    assert said == f"pool in {files()[0].parent}: networks trained: 2, there already: 1"


def test_what_another_run_made_meanwhile_is_kept() -> None:
    pretrained(pool())
    content = [file.read_bytes() for file in files()]
    for file in files():
        file.unlink()

    def meanwhile(share: float) -> None:
        of_both = pool_files.file_of(folder, 1)
        if not of_both.exists():
            of_both.parent.mkdir(exist_ok=True)
            of_both.write_bytes(content[1])

    (folder,) = pool_files.folder().iterdir()
    (said,) = Pretraining((Declared("networks", pool(), toy_split()),), ToyModel()).train(meanwhile)
    assert "networks trained: 1, there already: 1" in said
    assert [file.read_bytes() for file in files()] == content, "the same networks have the same bytes"


def divided(processes: Processes, folder: Path) -> dict[str, Any]:
    """Make a pool in a cache folder that all processes share, and then in one of each process."""
    begun: list[int] = []
    fractions: list[float] = []
    train = Pool.train

    def counted(self: Pool, number: int, *rest: Any) -> None:
        begun.append(number)
        train(self, number, *rest)

    pretraining.VISIBLE_AFTER = 0.5
    needed = Pretraining((Declared("networks", pool(networks=3), toy_split()),), ToyModel())
    with patch.object(Pool, "train", counted):
        os.environ[cache.VARIABLE] = str(folder / "cache")
        said = [needed.train(fractions.append, processes) for _ in range(2)]
        shared = {"begun": begun.copy(), "fractions": fractions, "said": said}
        os.environ[cache.VARIABLE] = str(folder / f"cache-{processes.rank}")
        begun.clear()
        with pytest.raises(InputError) as error:
            needed.train(lambda fraction: None, processes)
    return {"shared": shared, "begun": begun, "refused": str(error.value)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For `divided`."""
    return tmp_path_factory.mktemp("divided")


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> list[Any]:
    """What `divided` returned in each of two processes."""
    return run_together(divided, [2], folder)[0]


@pytest.mark.slow
def test_two_processes_make_the_same_bytes(outcomes: list[Any], folder: Path) -> None:
    pretrained(pool(networks=3))
    together = sorted((folder / "2" / "cache").rglob("network-*"))
    assert [file.name for file in together] == [file.name for file in files()]
    assert [file.read_bytes() for file in together] == [file.read_bytes() for file in files()]
    where = f"pool in {together[0].parent}: networks trained"
    for outcome, begun in zip(outcomes, ([0, 2], [1]), strict=True):
        assert outcome["shared"]["begun"] == begun, "each trains its share"
        assert outcome["shared"]["said"] == [
            [f"{where}: 3, there already: 0"],
            [f"{where}: 0, there already: 3"],
        ]
        fractions = outcome["shared"]["fractions"]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1


@pytest.mark.slow
def test_a_process_that_does_not_see_the_files_is_refused(outcomes: list[Any], folder: Path) -> None:
    first, second = outcomes
    assert (first["begun"], second["begun"]) == ([0], [1]), "nothing more is trained"
    assert first["refused"] == second["refused"], "all say the same"
    own = str(folder / "2" / "cache-0")
    assert_names(first["refused"], "networks: pool.path: process 0 of 2 on ", own, "network-1.safetensors")
    assert_names(first["refused"], "set IDC_CACHE, or pool.path, to a folder that all machines share")


def test_a_process_alone_does_not_look_for_the_files_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretraining, "VISIBLE_AFTER", 0.0)
    monkeypatch.setattr(Pool, "train", lambda *rest: None)
    assert "networks trained: 2" in pretrained(pool())[0]
