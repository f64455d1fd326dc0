"""Values put at dotted keys of a pipeline: what ``--set`` does."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from idc.errors import InputError
from idc.kinds import Evaluator
from idc.kinds.registry import RegistryError


def parse_assignments(assignments: Iterable[str]) -> dict[str, object]:
    """Overrides from ``KEY=VALUE`` texts; a value is TOML, and a bare word is text.

    Raises:
        InputError: there is no ``=``, no key, or a list, table or quoted text that is not valid TOML.
    """
    return dict(map(_parse, assignments))


def override(table: Mapping[str, object], overrides: Mapping[str, object]) -> dict[str, object]:
    """A table with other values at dotted keys; a number is a position in a list.

    Another ``type`` empties the stage it is put in, because its fields are those of the old type; another
    ``protocol`` empties an evaluator except for its fields `Evaluator.outside_protocol`.

    Raises:
        InputError: a key leads nowhere.
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
                f"--set {key}: {text!r} is not valid TOML ({error}); text within it needs quotes, as in "
                """--set 'dataset={type="digits", size=8}'"""
            ) from None
        return key, text


def _outside_protocol(type_: object) -> frozenset[str]:
    try:
        return Evaluator.implementation(str(type_)).outside_protocol
    # The pipeline's validation says what is wrong with it.
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
                f"{key}: {key.split('.')[0]} is a list of {len(items)}, and {head!r} is not a position in "
                f"it; positions begin at 0, as in {key.split('.')[0]}.0"
            )
        items[int(head)] = _put(items[int(head)], rest, value, key)
        return items
    raise InputError(f"{key}: {node!r} is a value, not a table, and has no {head!r}")
