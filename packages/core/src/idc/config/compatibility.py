"""Whether a run may be gone on with: what differs between its pipeline and the one that is asked for."""

from collections.abc import Iterator, Mapping
from typing import Any

from idc.errors import InputError

ABSENT = "absent"


def refuse_changes(began: Mapping[str, Any], wanted: Mapping[str, Any], inner_steps_done: int) -> None:
    """Refuse to go on with another pipeline; more iterations than before are allowed.

    Args:
        began: the resolved pipeline that the run began with.
        wanted: the one that is asked for now.
        inner_steps_done: sweeps made so far.

    Raises:
        InputError: naming every field that differs, with both values.
    """
    differing = {key: values for key, values in differences(began, wanted) if key != "iterations"}
    if differing:
        lines = "".join(
            f"\n  {key}: {before} when it began, {now} now" for key, (before, now) in differing.items()
        )
        raise InputError(
            f"--resume: the pipeline is another than the run began with:{lines}\nset these back, choose "
            "another folder with --out, or begin anew with --overwrite; only iterations may be changed"
        )
    done = -(-inner_steps_done // int(wanted["inner_steps"]))
    if wanted["iterations"] < done:
        raise InputError(
            f"--resume: iterations = {wanted['iterations']} is fewer than the {done} that are begun or done; "
            "give as many or more"
        )


def differences(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, tuple[str, str]]]:
    """The dotted keys whose values differ, with both values as text."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys([*before, *after]):
            yield from differences(
                before.get(name, ABSENT), after.get(name, ABSENT), f"{key}.{name}".lstrip(".")
            )
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, pair in enumerate(zip(before, after, strict=True)):
            yield from differences(*pair, f"{key}.{position}")
    elif before != after:
        yield key, (_shown(before), _shown(after))


def _shown(value: Any) -> str:
    text = value if value is ABSENT else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
