"""What checks the shapes that annotations say, for jaxtyping's hook: beartype, asked once for each function.

jaxtyping decorates a function within a function anew at every call of the outer one. What it gives to the
type checker has the annotations alone, and no body, so that one checker serves all of them.
"""

from collections.abc import Callable, Hashable
from typing import Any

from beartype import beartype

_checkers: dict[Hashable, Any] = {}


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its arguments and what it returns checked."""
    if "<locals>" not in function.__qualname__ or function.__defaults__ or function.__kwdefaults__:
        return beartype(function)
    names = function.__code__.co_varnames
    key = (function.__module__, function.__qualname__, names, tuple(function.__annotations__.items()))
    try:
        if key not in _checkers:
            _checkers[key] = beartype(function)
        return _checkers[key]
    # Annotations that cannot be hashed.
    except TypeError:
        return beartype(function)
