"""Whether a run can be resumed with a pipeline."""

from collections.abc import Iterator, Mapping
from typing import Any

from idc.errors import InputError

ABSENT = "absent"


def refuse_changes(began: Mapping[str, Any], wanted: Mapping[str, Any], inner_steps_done: int) -> None:
    """Refuse to resume with another pipeline; only ``iterations`` may differ.

    Args:
        began: the resolved pipeline that the run was started with.
        wanted: the resolved pipeline to resume with.
        inner_steps_done: inner steps done so far.

    Raises:
        InputError: names every field that differs, with both values; or ``iterations`` is too small.
    """
    # With groups, those that are finished could not go on.
    free = {"iterations"} if "groups" not in wanted else set[str]()
    differing = {key: values for key, values in differences(began, wanted) if key not in free}
    if differing:
        lines = "".join(f"\n  {key}: was {before}, is now {now}" for key, (before, now) in differing.items())
        raise InputError(
            f"--resume: the pipeline has changed since the run was started:{lines}\nset these back, choose "
            "another folder with --out, or start again with --overwrite; "
            f"{'only iterations' if free else 'nothing'} may change"
        )
    if not free:
        return
    done = -(-inner_steps_done // int(wanted["inner_steps"]))
    if wanted["iterations"] < done:
        raise InputError(
            f"--resume: iterations = {wanted['iterations']} is less than the {done} already started or done; "
            f"set it to {done} or more"
        )


def differences(before: Any, after: Any, key: str = "") -> Iterator[tuple[str, tuple[str, str]]]:
    """Dotted keys with different values, and both values as text."""
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
