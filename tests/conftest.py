"""What every test runs under."""

import os
from pathlib import Path

import pytest
import torch


@pytest.fixture(autouse=True)
def _two_threads() -> None:
    # Some tests compare bits, and torch sums in another order with another number of threads.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("IDC_CACHE", str(folder))
    return folder
