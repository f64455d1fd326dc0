"""Errors and warnings for users. Messages name the value, what is allowed, and the fix."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import groupby
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

IDC_ERROR_TYPE = "idc"
"""pydantic error type of messages that `explain` prints unchanged."""

PLAIN_MESSAGES = {
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
"""pydantic error type → a message without Python terms."""


class InputError(ValueError):
    """Invalid user input: a key, a file, a folder, a value.

    The message alone must be enough to fix it. The command line prints it and exits with code 2.
    Stages, including plugins, raise it for any problem with their input.
    """


class RunError(RuntimeError):
    """A run failed after it had started; the loss diverged, for example. Exit code 1."""


class LostProcessError(RunError):
    """Of several processes another does not answer any more, so that nothing can be exchanged."""


class EndedProcessError(LostProcessError):
    """Of several processes another has ended without a word."""


class OtherProcessError(LostProcessError):
    """Of several processes another says what is wrong; this one ends without a message.

    Args:
        message: the other's.
        code: exit code of this process.
    """

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Notice(UserWarning):
    """A warning that does not affect the result, such as a slower run."""


@contextmanager
def within(place: str) -> Iterator[None]:
    """Prefix the message of an `InputError` raised within the block with its place in the pipeline."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def first_line(error: BaseException) -> str:
    """First line of an error's message, or its type if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def reason_of(error: Exception) -> str:
    """Why a file cannot be read or written, without its name; of other errors the message."""
    return getattr(error, "strerror", None) or str(error)


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'metric'?`` if a known name is spelt similarly, else an empty string."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def refused(table: str, problems: Mapping[str, str], values: Mapping[str, object]) -> ValidationError:
    """A validation error with its own message for each invalid key.

    Args:
        table: title of the table's class.
        problems: key → what is wrong and what is allowed.
        values: the invalid table.
    """
    return ValidationError.from_exception_data(
        table,
        [
            InitErrorDetails(
                # pydantic treats braces as placeholders.
                type=PydanticCustomError(
                    IDC_ERROR_TYPE, cast(Any, message.replace("{", "(").replace("}", ")"))
                ),
                loc=(key,),
                input=values.get(key),
            )
            for key, message in problems.items()
        ],
    )


def explain(error: ValidationError, missing: Mapping[str, str] | None = None) -> str:
    """One line for each problem that pydantic found, beginning with the dotted key.

    Args:
        error: from validating a table.
        missing: dotted key → a hint to add when it is missing.

    Returns:
        The lines, joined by newlines: ``objective.metrc: not a field of 'gradient' (fields: …)``.
    """
    problems = groupby(error.errors(include_url=False), lambda details: _place(details["loc"]))
    return "\n".join(_line(place, list(members), missing or {}) for place, members in problems)


UNION_MEMBER = re.compile(r"(constrained-)?(bool|float|int|str)|literal\[.*\]")
"""pydantic's names for the members of a union; no field has such a name."""


def _place(location: tuple[int | str, ...]) -> str:
    # pydantic reports one error for each member of a union and appends the member's name to the location.
    inner = len(location) > 1 and isinstance(location[-1], str) and UNION_MEMBER.fullmatch(location[-1])
    return ".".join(map(str, location[:-1] if inner else location))


def _line(place: str, problems: list[Any], missing: Mapping[str, str]) -> str:
    """The message for one key; a union reports one problem for each of its members."""
    details = problems[0]
    value, kind = details["input"], details["type"]
    message = str(details["msg"]).replace("Input should be", "it must be")
    if kind in (IDC_ERROR_TYPE, "value_error"):
        sentence = message.removeprefix("Value error, ")
    elif kind == "missing":
        sentence = f"missing; {missing[place]}" if place in missing else "missing"
    elif kind in ("model_type", "model_attributes_type"):
        fix = f"; write [{place}] and its keys below it" if place else ""
        sentence = f"{_shorten(value)} is not a table{fix}"
    else:
        sentence = f"{_shorten(value)} is not allowed; {' or '.join(map(_allowed, problems))}"
        sentence = sentence.replace(" or it must be ", " or ")
    return f"{place}: {sentence}" if place else sentence


def _allowed(details: Mapping[str, Any]) -> str:
    message = str(details["msg"]).replace("Input should be", "it must be")
    return PLAIN_MESSAGES.get(details["type"], message[:1].lower() + message[1:])


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
