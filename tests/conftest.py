"""What every test runs under."""

import os
from pathlib import Path

# Before torch is imported, and for what tests start: as many workers as cores, a thread for each. Some
# tests compare bits, and torch sums in another order with another number of threads.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_compilers_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What one worker has compiled the others find, and nothing of an earlier session."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("IDC_CACHE", str(folder))
    return folder
