"""Stages by name: found through entry points, and imported only when a pipeline names them."""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import NamedTuple, cast

from idc.errors import suggestion


class RegistryError(ValueError):
    """A table's type is not available: unknown, broken, registered twice or of another kind."""


class Installed(NamedTuple):
    """One stage type that an installed distribution offers."""

    group: str
    type: str
    distribution: str
    version: str
    target: str


def installed(group: str) -> list[Installed]:
    """The types registered in an entry-point group, by name; nothing is imported."""
    return sorted(_describe(point) for point in _points(group))


def names(group: str) -> list[str]:
    """The distinct type names registered in an entry-point group, sorted."""
    return sorted({point.name for point in _points(group)})


def load(group: str, name: str) -> type:
    """Import the class registered as ``name``.

    Args:
        group: entry-point group, such as ``idc.decoders``.
        name: the table's ``type``.

    Returns:
        What the entry point refers to; the caller checks its kind.

    Raises:
        RegistryError: no such name, two distributions that claim it, or an import that fails (chained).
    """
    points = [point for point in _points(group) if point.name == name]
    if not points:
        raise RegistryError(f"unknown type {name!r}{suggestion(name, names(group))} ({_choices(group)})")
    if len(points) > 1:
        claims = " and ".join(f"{_describe(point).distribution} ({point.value})" for point in points)
        raise RegistryError(f"type {name!r} is registered by {claims}; uninstall one of them")
    (point,) = points
    try:
        return point.load()
    except Exception as error:
        raise RegistryError(
            f"type {name!r} of the distribution {_describe(point).distribution} could not be imported from "
            f"{point.value} ({type(error).__name__}: {error}); reinstall it or choose another type"
        ) from error


def missing_type(group: str) -> RegistryError:
    """The error for a table without a ``type``."""
    return RegistryError(f"'type' is missing ({_choices(group)})")


def unusable(group: str, name: str, why: str) -> RegistryError:
    """The error for an entry point whose class does not fit its group."""
    claim = next(each for each in installed(group) if each.type == name)
    return RegistryError(
        f"type {name!r} of the distribution {claim.distribution} cannot be used: {claim.target} {why}"
    )


def distribution(group: str, name: str) -> tuple[str, str] | None:
    """Name and version of the distribution that a type comes from; none if it is not registered."""
    return next(((each.distribution, each.version) for each in installed(group) if each.type == name), None)


def _points(group: str) -> EntryPoints:
    return _scan(tuple(sys.path)).select(group=group)


@lru_cache(maxsize=1)
def _scan(path: tuple[str, ...]) -> EntryPoints:
    # Cached, because reading every distribution's metadata takes milliseconds, twenty times per pipeline.
    # Cast, because Python 3.11 annotates another class, with the same select().
    return cast(EntryPoints, entry_points())


def _describe(point: EntryPoint) -> Installed:
    dist = point.dist
    name, version = (dist.name, dist.version) if dist else ("unknown", "unknown")
    return Installed(point.group, point.name, name, version, point.value)


def _choices(group: str) -> str:
    return f"installed: {', '.join(names(group)) or 'none'}"
