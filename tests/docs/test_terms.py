"""The page of terms: the keys, flags, commands and presets that it names exist."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, get_args

import pytest
from pydantic import ValidationError, create_model
from pydantic.fields import FieldInfo
from typer.main import get_command

from idc.config.pipeline import Pipeline
from idc.kinds import registry
from idc.kinds.stage import Stage
from idc.table import Table
from idc_cli.main import app
from repository import PIPELINES, ROOT

TEXT = (ROOT / "docs/terms.md").read_text()
NAME = re.compile(r"`([^`]+)`")
NOTHING = "—"
"""Stands in the column of keys for what has no counterpart."""


class Row(NamedTuple):
    """A row of one of the page's tables."""

    table: str
    term: str
    key: str
    remark: str


def rows() -> Iterator[Row]:
    """All rows, with the heading above their table."""
    heading, columns = "", []
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if not cells:
            columns = []
        elif not columns:
            columns = cells
        elif set(line) > set("|-"):
            assert len(cells) == len(columns), line
            yield Row(heading, cells[0], cells[columns.index("key")], cells[columns.index("remark")])


ROWS = list(rows())


def problem(name: str) -> str:
    """What is wrong with a key (with or without a value), a flag, a command or a preset; empty if nothing."""
    if name.endswith(".toml"):
        return "" if (PIPELINES / name).exists() else "no such preset"
    if name.startswith(("--", "idc ")):
        return _problem_of_flags(name)
    key, equals, value = name.partition(" = ")
    found = fields(tuple(key.split(".")))
    if not found:
        return "no such key"
    if equals and not any(_allows(field, tomllib.loads(f"value = {value}")["value"]) for field in found):
        return "value not allowed"
    return ""


def _problem_of_flags(name: str) -> str:
    commands = getattr(get_command(app), "commands")  # noqa: B009 (typer has no type for a group)
    first, *rest = name.removeprefix("idc ").split()
    if not first.startswith("--") and first not in commands:
        return "no such command"
    among = commands if first.startswith("--") else [first]
    flags = {first, *rest} & {word for word in name.split() if word.startswith("--")}
    known = {flag for each in among for parameter in commands[each].params for flag in parameter.opts}
    return "" if flags <= known else "no such flag"


@cache
def fields(path: tuple[str, ...]) -> list[FieldInfo]:
    """The fields that a key without positions in lists may be, by the types of its tables."""
    *above, name = path
    owners = _tables(each.annotation for each in fields(tuple(above))) if above else [Pipeline]
    return [owner.model_fields[name] for owner in owners if name in owner.model_fields]


def _tables(annotations: Iterable[Any]) -> list[type[Table]]:
    """The tables that values may be; for a kind of stage, those of all installed types."""
    found: list[type[Table]] = []
    for each in annotations:
        if not (isinstance(each, type) and issubclass(each, Table)):
            found += _tables(get_args(each))
        elif issubclass(each, Stage) and each.is_kind():
            found += _installed(each)
        else:
            found.append(each)
    return list(dict.fromkeys(found))


def _installed(kind: type[Stage]) -> Iterator[type[Table]]:
    for name in registry.names(kind.group):
        # A type that cannot be imported fails its own tests, and has no keys here.
        with suppress(registry.RegistryError):
            yield kind.implementation(name)


def _allows(field: FieldInfo, value: Any) -> bool:
    held: Any = (field.annotation, field)
    try:
        create_model("Holder", held=held).model_validate({"held": value})
    except ValidationError:
        return False
    return True


def problems(names: Iterable[str]) -> dict[str, str]:
    """Name → what is wrong with it."""
    return {name: found for name in names if (found := problem(name))}


@pytest.mark.parametrize("table", dict.fromkeys(row.table for row in ROWS))
def test_every_key_of_a_table_exists(table: str) -> None:
    here = [row for row in ROWS if row.table == table]
    for row in here:
        assert row.key == NOTHING or re.fullmatch(r"`[^`]+`(?:, `[^`]+`)*", row.key), row
    assert not problems(name for row in here for name in NAME.findall(row.key))


def test_what_has_no_key_has_a_reason() -> None:
    without = [row for row in ROWS if row.key == NOTHING]
    assert without
    assert all(row.remark for row in without)


def test_keys_presets_and_commands_named_elsewhere_exist() -> None:
    # Words without a dot or a value may be the codes' own.
    key = re.compile(rf"(?:{'|'.join(Pipeline.model_fields)})(?:\.[a-z_.0-9]+(?: = .+)?| = .+)")
    names = [each for each in NAME.findall(TEXT) if key.fullmatch(each) or each.startswith("idc ")]
    presets = [each for each in NAME.findall(TEXT) if each.endswith(".toml")]
    assert len(names) > 100
    assert presets
    assert not problems([*names, *presets])


@pytest.mark.parametrize(
    "name",
    [
        "decoder.factr",
        "optimizer.momentum.factor",
        "networks.pool.age",
        "factor",
        'objective.metric = "l7"',
        'networks.type = "frosen"',
        "images_per_class = 0",
        "--proceses",
        "idc evaluate --dry-run",
        "idc condense",
        "cifar10-ipc3-idc.toml",
    ],
)
def test_a_wrong_name_is_noticed(name: str) -> None:
    assert problem(name)
