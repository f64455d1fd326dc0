"""Finished runs, each made once and copied for every test that wants it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from command_line import succeeded
from small import small_pipeline

PUBLISHED = [{"synset": "idc", "accuracy": 67.5, "source": "a <paper>"}]
PUBLISHED += [{"synset": "herding", "accuracy": 41.7, "source": "another"}]

RUN = ("run", "small.toml", "--device", "cpu", "--quiet")


@contextmanager
def _workplace(folder: Path) -> Iterator[None]:
    """Within the block, an empty folder with a cache of its own, and as many threads as every test has."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("IDC_CACHE", str(folder / "cache"))
        patch.delenv("UV", raising=False)
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def small_run_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    with _workplace(folder):
        Path("small.toml").write_text(small_pipeline().toml())
        succeeded(*RUN)
    return folder / "runs/small"


@pytest.fixture(scope="session")
def seeded_run_source(small_run_source: Path) -> Path:
    with _workplace(small_run_source.parent.parent):
        succeeded(*RUN, "--set", "seed=1")
    return small_run_source.parent / "small-seed-1"


@pytest.fixture(scope="session")
def run_with_snapshots_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("snapshots")
    pipeline = small_pipeline(iterations=4, inner_steps=10, snapshot_every=2, published=PUBLISHED)
    with _workplace(folder):
        Path("small.toml").write_text(pipeline.toml())
        succeeded(*RUN)
    return folder / "runs/small"


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: empty but for ``small.toml``."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("UV", raising=False)
    Path("small.toml").write_text(small_pipeline().toml())
    return folder


@pytest.fixture
def run(workplace: Path, small_run_source: Path) -> Path:
    """A finished run of ``small.toml``, in its default folder."""
    return Path(shutil.copytree(small_run_source, Path("runs/small")))


@pytest.fixture
def seeded_run(workplace: Path, seeded_run_source: Path) -> Path:
    """A finished run with another seed, in its default folder."""
    return Path(shutil.copytree(seeded_run_source, Path("runs/small-seed-1")))


@pytest.fixture
def unfinished_run(run: Path) -> Path:
    """A run that lacks its report."""
    (run / "report.json").unlink()
    return run


@pytest.fixture
def run_with_snapshots(workplace: Path, run_with_snapshots_source: Path) -> Path:
    """A finished run of four iterations with snapshots and published scores, in ``runs/small``."""
    return Path(shutil.copytree(run_with_snapshots_source, Path("runs/small")))
