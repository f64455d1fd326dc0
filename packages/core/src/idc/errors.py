"""What goes wrong, said to the user: the value, what is allowed, and the fix."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import groupby
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

OURS = "idc"
"""pydantic error type of messages that are ours and complete."""

PLAIN = {
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
    "dict_type": "it must be a table",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "int_from_float": "it must be a whole number",
    "int_parsing": "it must be a whole number",
    "int_type": "it must be a whole number",
    "path_type": "it must be a path in quotes",
    "string_type": "it must be text in quotes",
    "too_short": "it must not be empty",
    "tuple_type": "it must be a list; of tables it is [[name]] in a file, and name=[{type=...}] with --set",
}
"""What pydantic says in terms of Python, by its error types."""


class InputError(ValueError):
    """Something the user gave is not usable: a key, a file, a folder, a value.

    The message alone must be enough to mend it. The command line prints it and exits with code 2;
    stages (plugins too) raise it for whatever they find wrong with their input.
    """


class RunError(RuntimeError):
    """A run that began properly could not go on (the loss diverged, say). Exit code 1."""


class Notice(UserWarning):
    """Something to know of a run that goes on with the same result, such as that it takes longer."""


@contextmanager
def within(place: str) -> Iterator[None]:
    """Say in the message of an `InputError` raised within the block where in the pipeline it was."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line; its type where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'metric'?`` where something known is spelt much like a name, else nothing."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def refused(table: str, problems: Mapping[str, str], values: Mapping[str, object]) -> ValidationError:
    """The error for keys that a table's validator refuses, each with its own message.

    Args:
        table: title of the table's class.
        problems: key → what is wrong and what is allowed.
        values: the table as given.
    """
    return ValidationError.from_exception_data(
        table,
        [
            InitErrorDetails(
                # Braces would be read as placeholders of a message template.
                type=PydanticCustomError(OURS, cast(Any, message.replace("{", "(").replace("}", ")"))),
                loc=(key,),
                input=values.get(key),
            )
            for key, message in problems.items()
        ],
    )


def explain(error: ValidationError, missing: Mapping[str, str] | None = None) -> str:
    """One line for each thing that pydantic found wrong, with its place as a dotted key.

    Args:
        error: what validating a table raised.
        missing: place → what to say of it when it is missing, beyond that.

    Returns:
        The lines, joined by newlines: ``objective.metrc: not a field of 'gradient' (fields: …)``.
    """
    problems = groupby(error.errors(include_url=False), lambda details: _place(details["loc"]))
    return "\n".join(_line(place, list(members), missing or {}) for place, members in problems)


MEMBER = re.compile(r"(constrained-)?(bool|float|int|str)|literal\[.*\]")
"""What pydantic calls a member of a union; no field is called so."""


def _place(location: tuple[int | str, ...]) -> str:
    # Each member of a union refuses a value for itself, under a name that no file has.
    inner = len(location) > 1 and isinstance(location[-1], str) and MEMBER.fullmatch(location[-1])
    return ".".join(map(str, location[:-1] if inner else location))


def _line(place: str, problems: list[Any], missing: Mapping[str, str]) -> str:
    """What is wrong at a place; several problems are those of a union's members with one value."""
    details = problems[0]
    value, kind = details["input"], details["type"]
    message = str(details["msg"]).replace("Input should be", "it must be")
    if kind in (OURS, "value_error"):
        sentence = message.removeprefix("Value error, ")
    elif kind == "missing":
        sentence = f"missing; {missing[place]}" if place in missing else "missing"
    elif kind in ("model_type", "model_attributes_type"):
        sentence = f"{_shorten(value)} is not a table; write [{place}] and its keys below it"
    else:
        sentence = f"{_shorten(value)} is not allowed; {' or '.join(map(_allowed, problems))}"
        sentence = sentence.replace(" or it must be ", " or ")
    return f"{place}: {sentence}" if place else sentence


def _allowed(details: Mapping[str, Any]) -> str:
    message = str(details["msg"]).replace("Input should be", "it must be")
    return PLAIN.get(details["type"], message[:1].lower() + message[1:])


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
