"""Every block of the documentation is run or validated, page by page in its order."""

import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from dataset_files import write_cifar, write_folder, write_idx
from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from idc.kinds import KINDS, registry
from idc.table import merged
from repository import ROOT

from .documentation import PAGES, Block, blocks, title

RUNNABLE = ("sh", "console", "python")
LONG = {
    *("applications.md", "pipeline.md", "plugins.md", "processes.md", "quickstart.md", "reports.md"),
    *("reproducing.md", "synsets.md"),
}
"""Pages with many runs, and with Lightning and timm."""
NOTHING = ("mkdocs", "pip", "pytest", "tensorboard")
"""Commands that do nothing here: they install, serve, or have a test of their own."""
UV = """#!/bin/bash
case "$1" in
run) shift; exec "$@" ;;
pip | sync) ;;
*) echo "uv $1: not known here" >&2; exit 2 ;;
esac
"""
FOLDER = re.compile(r"\bruns/([\w-]+)\b(?!\.)")
"""Folders of runs, but not files beside them."""


class Prepared(NamedTuple):
    """What the pages share."""

    bin: Path
    data: Path

    def bash(self, text: str, *, fail: bool = False) -> str:
        """Both outputs of a script in the working folder, which must succeed or fail as wanted."""
        path = f"{self.bin}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"export PATH={path}\n{text}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert bool(done.returncode) == fail, f"exit {done.returncode} of\n{text}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("blocks")
    script, address = Path(__file__).with_name("fork_server.py"), folder / "socket"
    server = subprocess.Popen([sys.executable, str(script), "serve", str(address)])
    try:
        (folder / "bin").mkdir()
        _command(folder / "bin/idc", f'#!/bin/sh\nexec {sys.executable} -IS {script} call {address} "$@"\n')
        _command(folder / "bin/uv", UV)
        for name in NOTHING:
            _command(folder / "bin" / name, "#!/bin/sh\n")
        _write_data(folder / "data")
        while not address.exists():
            assert server.poll() is None, "the server of commands ended"
            time.sleep(0.05)
        yield Prepared(folder / "bin", folder / "data")
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def workplace(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """The working folder: what a clone has, the data and the files that pages speak of."""
    for name in ("pipelines", "examples"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pipelines/digits.toml", tmp_path / "pipeline.toml")
    for name in ("data", "DIR"):
        (tmp_path / name).symlink_to(prepared.data)
    torch.save([torch.randn(20, 3, 32, 32).clamp(-2, 2), torch.arange(10).repeat(2)], tmp_path / "res.pt")
    monkeypatch.chdir(tmp_path)
    return prepared


def _command(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def _write_data(root: Path) -> None:
    write_folder(root / "pets")
    # Two batches, so that a network can be trained for half an epoch.
    write_idx(root, per_class=10)
    with pytest.MonkeyPatch.context() as patch:
        write_cifar(root, 10, patch, per_class=8)


def _runnable() -> list[Any]:
    pages = [page for page in PAGES if blocks(page, *RUNNABLE)]
    return [
        pytest.param(page, id=title(page), marks=[pytest.mark.slow] if page.name in LONG else [])
        for page in pages
    ]


@pytest.mark.parametrize("page", _runnable())
def test_blocks_run(page: Path, workplace: Prepared) -> None:
    for block in blocks(page, *RUNNABLE):
        for name in _runs_presupposed_by(block.text):
            preset = Path("pipelines", f"{name}.toml")
            file = preset if preset.exists() else Path("pipelines/digits.toml")
            workplace.bash(f"idc run {file} --out runs/{name}")
        match block.language:
            case "python":
                exec(compile(block.text, str(page), "exec"), {"__name__": "__main__"})
            case "console":
                _check_session(block.text, workplace)
            case _:
                workplace.bash(block.text)


def _runs_presupposed_by(text: str) -> list[str]:
    """Runs that a block names before it runs anything, and that no earlier block has made."""
    before = re.split(r"\bidc run (?!runs/)", text)[0]
    return [name for name in dict.fromkeys(FOLDER.findall(before)) if not Path("runs", name).exists()]


def _check_session(text: str, workplace: Prepared) -> None:
    """Commands after ``$``, each followed by what it prints; an error is one that it ends with."""
    for session in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, shown = session.partition("\n")
        assert workplace.bash(command, fail="error: " in shown).strip() == shown.strip()


def test_a_block_that_fails_is_noticed(workplace: Prepared) -> None:
    with pytest.raises(AssertionError, match="exit 2"):
        workplace.bash("uv run idc inspect nowhere\ntrue")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")], ids=title)
def test_tables_are_valid(page: Path, workplace: Prepared) -> None:
    for block in blocks(page, "toml"):
        _check_table(block)


def _check_table(block: Block) -> None:
    table = tomllib.loads(block.text)
    if "project" in table:
        _check_project(table["project"])
        return
    file = Path("pipelines/shown.toml")
    file.write_text(block.text)
    if "extends" in table or "images_per_class" in table:
        Pipeline.load(file)
    else:
        Pipeline.parse(merged(read_table(Path("pipelines/digits.toml")), table))


def _check_project(project: dict[str, Any]) -> None:
    groups = {kind.group for kind in KINDS.values()}
    for group, points in project["entry-points"].items():
        assert group in groups
        for name, target in points.items():
            assert target in [each.target for each in registry.installed(group) if each.type == name]


def test_a_table_with_an_unknown_key_is_noticed(workplace: Prepared) -> None:
    with pytest.raises(InputError, match="widht: not a field of 'convnet'"):
        _check_table(Block("", "toml", "model.widht = 3"))
