"""Overrides of a pipeline's dotted keys, as by ``--set``."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from idc.errors import InputError
from idc.kinds import Evaluator
from idc.kinds.registry import RegistryError


def parse_assignments(assignments: Iterable[str]) -> dict[str, object]:
    """Overrides from ``KEY=VALUE`` strings; values are TOML, and bare words are strings.

    Raises:
        InputError: there is no ``=`` or no key, or a list, table or quoted string is not valid TOML.
    """
    return dict(map(_parse, assignments))


def override(table: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """A table with overridden values at dotted keys; numbers in keys are list indices.

    A new ``type`` removes the stage's other fields, which belong to the old type. A new ``protocol`` removes
    an evaluator's other fields except `Evaluator.outside_protocol`.

    Raises:
        InputError: a key does not exist.
    """
    result: Any = dict(table)
    for key, value in overrides.items():
        result = _put(result, key.split("."), value, key)
    return result


def _parse(assignment: str) -> tuple[str, object]:
    key, equals, text = (part.strip() for part in assignment.partition("="))
    if not equals or not all(key.split(".")):
        raise InputError(f"{assignment!r} is not KEY=VALUE; write, for example, --set decoder.factor=3")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        if text.startswith(("[", "{", '"', "'")):
            raise InputError(
                f"--set {key}: {text!r} is not valid TOML ({error}); strings within it need quotes, as in "
                """--set 'dataset={type="digits", size=8}'"""
            ) from None
        return key, text


def _outside_protocol(type_: object) -> frozenset[str]:
    try:
        return Evaluator.implementation(str(type_)).outside_protocol
    # Validation of the pipeline reports it.
    except RegistryError:
        return Evaluator.outside_protocol


def _put(node: Any, path: Sequence[str], value: object, key: str) -> Any:
    if not path:
        return value
    head, *rest = path
    if isinstance(node, Mapping):
        table = cast(Mapping[str, object], node)
        if path == ["type"] and table.get("type") != value:
            return {"type": value}
        if path == ["protocol"] and table.get("protocol") != value:
            kept = _outside_protocol(table.get("type"))
            return {name: table[name] for name in table if name in kept} | {"protocol": value}
        return {**table, head: _put(table.get(head, {}), rest, value, key)}
    if isinstance(node, Sequence) and not isinstance(node, str):
        items = list(cast(Sequence[object], node))
        if not head.isdecimal() or int(head) >= len(items):
            raise InputError(
                f"{key}: {head!r} is not an index of {key.split('.')[0]}, a list of {len(items)}; indices "
                f"begin at 0, as in {key.split('.')[0]}.0"
            )
        items[int(head)] = _put(items[int(head)], rest, value, key)
        return items
    raise InputError(f"{key}: {node!r} is not a table, so it has no key {head!r}; remove .{head}")
