"""What is wrong with the input is said in one message that names the value, what is allowed, and the fix."""

import errno
import os
from pathlib import Path

import pytest

from command_line import names, refused


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("objective.type=gradent", ("objective", "'gradent'", "did you mean 'gradient'")),
        ("objective.metrc=l1", ("objective.metrc", "'gradient'", "did you mean 'metric'", "fields:")),
        ("images_per_class=0", ("images_per_class", "0 is not allowed", "greater than or equal to 1")),
        ("images_per_class=100", ("class '0'", "143 training images")),
        ("decoder.factor=9", ("decoder.factor", "9", "8x8 pixels", "allowed are 1, 2")),
        ("model.depth=9", ("model.depth", "9", "8x8 pixels", "allowed are 1 to 3")),
        ('dataset={type="image-folder", path="pets", size=8}', ("data/pets/train",)),
        ('dataset={type="fashion-mnist"}', ("data/FashionMNIST/raw", "--download")),
        ("nonsense", ("'nonsense'", "KEY=VALUE")),
    ],
)
def test_settings(setting: str, parts: tuple[str, ...]) -> None:
    names(refused("run", "small.toml", "--set", setting), *parts)


def test_files() -> None:
    names(refused("run", "absent.toml"), "absent.toml", "no such file")
    Path("bad.toml").write_text("seed = 1\nimages_per_class = = 2\n")
    names(refused("run", "bad.toml"), "bad.toml", "not valid TOML", "line 2, column 20")
    Path("bad.safetensors").write_bytes(b"x" * 100)
    for command in ("inspect", "evaluate"):
        names(refused(command, "bad.safetensors"), "bad.safetensors", "not a readable safetensors file")
        names(refused(command, "absent"), "absent", "no such file")
    names(refused("compare", "absent"), "absent", "No such file or directory")


@pytest.mark.parametrize(
    "command", [["run"], ["run", "small.toml", "--out"], ["compare"], ["import"], ["inspect"]], ids=" ".join
)
def test_a_name_that_is_too_long(command: list[str]) -> None:
    name = "x" * 300
    names(refused(*command, name, *["out"] * (command == ["import"])), name)


@pytest.mark.parametrize(
    "command", [["run"], ["run", "small.toml", "--out"], ["compare"], ["report"], ["import"]], ids=" ".join
)
def test_a_folder_that_may_not_be_read(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may be run by a user who may read everything.
    original = Path.stat

    def stat(path: Path, **options: bool) -> os.stat_result:
        if "secret" in path.parts[:-1]:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    message = refused(*command, "secret/name", *["out"] * (command == ["import"]))
    assert "secret/name" in message


def test_a_truncated_synset(run: Path) -> None:
    file = run / "synset.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for command in ("inspect", "evaluate"):
        names(refused(command, str(run)), str(file), "truncated", "fetch it again")


def test_an_absent_device() -> None:
    names(refused("run", "small.toml", "--device", "nosuch"), "device", "'nosuch'")


def test_a_folder_that_cannot_be_written() -> None:
    Path("file").write_text("in the way")
    names(refused("run", "small.toml", "--out", "file/run"), "--out", "file/run", "choose another folder")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--resume", "--overwrite"), ("--resume", "--overwrite", "give one of them")),
        (("--checkpoint-every", "0"), ("--checkpoint-every", "'0'", "from 1", "5m")),
        (("--checkpoint-every", "5s"), ("--checkpoint-every", "'5s'", "iterations", "minutes")),
        (("--classes-at-once", "0"), ("--classes-at-once", "'0'", "auto", "from 1")),
    ],
)
def test_flags(arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    names(refused("run", "small.toml", *arguments), *parts)
