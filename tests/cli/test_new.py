"""``idc new``: what it writes is a plugin that works as it stands."""

import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from command_line import names, refused, succeeded
from distributions import install

ROOT = Path(__file__).parents[2]
KINDS = {"decoder": "idc.decoders", "objective": "idc.objectives"}

WORKS = """
import math
import pytest

status = pytest.main(
    [
        "idc-my-decoder/tests",
        "idc-my-objective/tests",
        *("-q", "-p", "no:cacheprovider", "-W", "error"),
        "--jaxtyping-packages=idc_my_decoder,idc_my_objective,beartype.beartype",
    ]
)
assert not status, status

# Not before: pytest's plugins take in hand what is imported after them.
from idc import Pipeline, condense

for kind in ("decoder", "objective"):
    pipeline = Pipeline.load(f"idc-my-{kind}/my-{kind}.toml", {"iterations": 1, "inner_steps": 2})
    losses = [float(step.loss) for step in condense(pipeline, root="data", device="cpu")]
    assert len(losses) == 2 and all(map(math.isfinite, losses)), losses
    stage = getattr(pipeline, kind)
    print(type(stage).__module__, stage.label(), pipeline.method)
"""
"""The plugins' own tests, with their shapes checked as ours are, then two steps of each one's pipeline."""


@pytest.fixture(autouse=True)
def _nothing_else(workplace: Path) -> None:
    Path("small.toml").unlink()


def created(kind: str, name: str, *options: str) -> str:
    return succeeded("new", kind, name, *options).stdout


def project(folder: Path) -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


@pytest.mark.slow
def test_its_tests_pass_and_its_pipeline_condenses(tmp_path: Path) -> None:
    # Both kinds in one process, which mostly imports.
    paths = [tmp_path / "site"]
    for kind in KINDS:
        created(kind, f"my-{kind}")
        folder = Path(f"idc-my-{kind}")
        install(tmp_path / "site", folder.name, project(folder)["entry-points"])
        paths.append(folder.resolve() / "src")
    done = subprocess.run(
        [sys.executable, "-c", WORKS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "idc_my_decoder.my_decoder my-decoder my-decoder",
        "idc_my_objective.my_objective my-objective my-objective",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_whole_package(kind: str) -> None:
    created(kind, "my-own")
    folder = Path("idc-my-own")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        "README.md",
        "my-own.toml",
        "pyproject.toml",
        "src/idc_my_own/__init__.py",
        "src/idc_my_own/my_own.py",
        "src/idc_my_own/py.typed",
        "tests/test_my_own.py",
    }
    assert project(folder)["entry-points"] == {KINDS[kind]: {"my-own": "idc_my_own.my_own:MyOwn"}}
    assert [path.name for path in Path().iterdir()] == ["idc-my-own"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "my-2nd-own", "thirty-letters-long-as-it-goes"])
def test_it_keeps_our_rules(kind: str, name: str) -> None:
    created(kind, name, "--out", "created")
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    options = ["--isolated", "--config", f"line-length = {rules['line-length']}"]
    chosen = ["--select", ",".join(rules["lint"]["select"]), "--ignore", ",".join(rules["lint"]["ignore"])]
    for command in (
        ["check", *options, *chosen, "--per-file-ignores", "**/tests/**:D1"],
        ["format", *options, "--check"],
    ):
        # Within the folder, as what ruff takes for a project's own package depends on that.
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd="created",
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_prints_the_next_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idc_cli.commands.new.plugin.find_spec", lambda _: None)
    assert "  uv pip install -e idc-my-plain" in created("decoder", "my-plain").replace("'", "")
    monkeypatch.setattr(
        "idc_cli.commands.new.plugin.find_spec", lambda name: "there" if name == "pip" else None
    )
    assert created("decoder", "my-own") == (
        "wrote idc-my-own; next:\n"
        "  pip install -e 'idc-my-own[test]'\n"
        "  pytest idc-my-own/tests\n"
        "  idc run idc-my-own/my-own.toml\n"
    )
    monkeypatch.setenv("UV", "/usr/bin/uv")
    assert created("decoder", "my-own", "--out", "of mine/own") == (
        "wrote of mine/own; next:\n"
        "  uv pip install -e 'of mine/own[test]'\n"
        "  uv run pytest 'of mine/own/tests'\n"
        "  uv run idc run 'of mine/own/my-own.toml'\n"
    )


def test_an_empty_folder_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "idc_cli.commands.new.plugin.find_spec", lambda name: "there" if name == "pip" else None
    )
    Path("mine").mkdir()
    monkeypatch.chdir("mine")
    shown = created("objective", "my-own", "--out", ".")
    assert shown.endswith("  pip install -e '.[test]'\n  pytest tests\n  idc run my-own.toml\n")
    assert {path.name for path in Path().iterdir()} == {
        "README.md",
        "my-own.toml",
        "pyproject.toml",
        "src",
        "tests",
    }


@pytest.mark.parametrize(
    "name",
    ["My-own", "my_own", "2nd", "-own", "own-", "my--own", "", "öwn", "thirty-one-letters-are-too-many"],
)
def test_a_malformed_name_is_refused(name: str) -> None:
    message = refused("new", "decoder", "--", name)
    names(message, f"NAME: {name!r}", "lower-case letters", "at most 30 characters", "such as my-decoder")


@pytest.mark.parametrize(
    ("kind", "name", "reasons"),
    [
        ("decoder", "lambda", ("lambda is a keyword", "such as lambda-decoder")),
        ("objective", "none", ("None is a keyword", "such as none-objective")),
        ("decoder", "raw", ("type of decoder", "by idc-core", "idc plugins")),
        ("objective", "logit", ("type of objective", "by idc-example-plugin", "idc plugins")),
        ("decoder", "cli", ("package idc-cli", "such as cli-decoder")),
        ("decoder", "core", ("package idc-core", "such as core-decoder")),
        ("decoder", "batch", ("hide Batch of idc.kinds", "such as my-batch")),
        ("objective", "objective", ("hide Objective of idc.kinds", "such as my-objective")),
    ],
)
def test_a_name_that_cannot_be_had_is_refused(kind: str, name: str, reasons: tuple[str, ...]) -> None:
    names(refused("new", kind, name), f"NAME: {name!r} is not allowed", *reasons)


def test_other_kinds_are_refused() -> None:
    message = refused("new", "dataset", "my-own")
    names(message, "KIND: 'dataset'", "decoder or objective", "docs/plugins.md")


def test_nothing_is_overwritten() -> None:
    created("decoder", "my-own")
    names(refused("new", "objective", "my-own"), "--out: idc-my-own", "not empty", "choose another folder")
    file = "idc-my-own/README.md"
    names(refused("new", "decoder", "my-own", "--out", file), file, "Not a directory", "another folder")


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_a_disk_that_fills_up_leaves_nothing(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("empty").mkdir()
    write = Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        if path.suffix == ".py":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    message = refused("new", "decoder", "my-own", "--out", folder)
    names(message, f"--out: cannot write {folder}", "No space left on device", "choose another folder")
