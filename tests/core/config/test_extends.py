"""Pipeline files that extend others."""

from pathlib import Path

import pytest

from idc.config.extends import read_table
from idc.errors import InputError
from idc.table import merged
from messages import assert_names


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)


def test_tables_are_laid_over_what_a_file_extends(tmp_path: Path) -> None:
    write(
        tmp_path,
        base='seed = 1\n[decoder]\ntype = "multiformation"\nfactor = 2\n[optimizer]\nlearning_rate = 1.0\n',
        leaf='extends = "base.toml"\nseed = 2\ndecoder.factor = 3\n',
    )
    assert read_table(tmp_path / "leaf.toml") == {
        "seed": 2,
        "decoder": {"type": "multiformation", "factor": 3},
        "optimizer": {"learning_rate": 1.0},
    }


def test_later_files_lie_over_earlier_ones(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="x = 1\ny = 1\nz = 1\n",
        b="y = 2\nz = 2\n",
        leaf='extends = ["a.toml", "b.toml"]\nz = 3\n',
    )
    assert read_table(tmp_path / "leaf.toml") == {"x": 1, "y": 2, "z": 3}


def test_files_are_relative_to_the_one_that_extends_them(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    write(tmp_path / "base", a="x = 1\n", b='extends = "a.toml"\n')
    write(tmp_path, leaf='extends = "base/b.toml"\n')
    assert read_table(tmp_path / "leaf.toml") == {"x": 1}


def test_another_type_drops_the_fields_below_it() -> None:
    base = {"decoder": {"type": "multiformation", "factor": 2}, "augment": [{"type": "dsa"}]}
    assert merged(base, {"decoder": {"type": "raw"}}) == {
        "decoder": {"type": "raw"},
        "augment": [{"type": "dsa"}],
    }
    same = {"decoder": {"type": "multiformation", "mode": "multi"}}
    assert merged(base, same)["decoder"] == {"type": "multiformation", "factor": 2, "mode": "multi"}
    assert merged(base, {"augment": []})["augment"] == []


def test_a_file_cannot_extend_itself(tmp_path: Path) -> None:
    write(tmp_path, a='extends = "b.toml"\n', b='extends = "a.toml"\n')
    with pytest.raises(InputError) as error:
        read_table(tmp_path / "a.toml")
    assert_names(str(error.value), f"{tmp_path}/a.toml: ", "extends itself", "remove")


def test_what_is_extended_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, leaf='extends = "absent.toml"\n', bad="extends = 3\n")
    with pytest.raises(InputError, match=r"leaf\.toml: extends 'absent\.toml', but there is no"):
        read_table(tmp_path / "leaf.toml")
    with pytest.raises(InputError) as error:
        read_table(tmp_path / "bad.toml")
    assert_names(str(error.value), f"{tmp_path}/bad.toml: extends: 3 ", "file name", "list")
