"""Processes that are started again do not take up what those before them left behind."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch
from torch.distributed import (
    HashStore,  # pyright: ignore[reportPrivateImportUsage]
    Store,  # pyright: ignore[reportPrivateImportUsage]
)

from idc.errors import InputError, RunError
from idc.runtime.place import Place
from idc.runtime.rendezvous import joined, of_this_start

LONGEST = timedelta(seconds=20)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
def test_each_start_has_its_own_part_of_a_store_that_outlives_it(order: tuple[int, ...]) -> None:
    kept = HashStore()

    def come(rank: int) -> Store:
        # One after another, so that the first meets names of the start before.
        time.sleep(0.1 * order.index(rank))
        return of_this_start(kept, Place(rank, 3, rank), LONGEST)

    with ThreadPoolExecutor(3) as pool:
        for start in ("first", "second", "third"):
            stores = list(pool.map(come, range(3)))
            assert not any(store.check(["start"]) for store in stores)
            stores[2].set("start", start)
            assert [store.get("start").decode() for store in stores] == [start] * 3


def test_processes_that_do_not_come_are_named() -> None:
    with pytest.raises(RuntimeError, match="timed out waiting for 1, 2"):
        of_this_start(HashStore(), Place(0, 3, 0), timedelta(seconds=0.1))


def test_a_lack_of_memory_is_a_sentence() -> None:
    with pytest.raises(RunError, match=r"not enough memory \(CUDA out of memory\); fewer classes"), joined():
        raise torch.OutOfMemoryError("CUDA out of memory\nand more")


def test_other_errors_stay_as_they_are() -> None:
    mine = InputError("mine")
    with pytest.raises(InputError) as raised, joined():
        raise mine
    assert raised.value is mine
    assert mine.__cause__ is None
