"""Which of a dataset's images a table wants: its classes, splits and limits."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from idc.data.examples import Example, Examples, Part, RawDataset
from idc.errors import InputError
from idc.seeding import Streams


@dataclass(frozen=True, eq=False)
class Wanted:
    """What a dataset's table asks for: which images, and how each is to be kept."""

    type: str
    """The dataset's type, for people."""
    classes: tuple[str, ...] | None
    """Names, in the order of the labels; None for all."""
    limit: int | None
    """Maximum number of training images per class."""
    test_fraction: float | None
    """Fraction of each class's training images held out for testing."""
    subset_seed: int
    mean: tuple[float, ...] | None
    """For normalisation, of each channel; None to compute it."""
    std: tuple[float, ...] | None
    on_error: Literal["fail", "skip"]
    shaped: Callable[[Example], Example]
    """An image as it is to be kept; called from several threads."""
    read_by: Callable[[], tuple[str, ...]]
    """Texts that change with whatever decides how an image is read, for the cache."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The images of both splits that are to be read."""

    classes: tuple[str, ...]
    """Names, in the order of the labels."""
    train: Part
    test: Part


def select(found: RawDataset, wanted: Wanted) -> Selection:
    """Select classes, then the test split, then the limit.

    Args:
        found: what there is.
        wanted: the classes, split and limit.

    Raises:
        InputError: a label is none of the classes', a class wanted is not there, or there is no test split.
    """
    for examples in filter(None, (found.train, found.test)):
        _refuse_strange_labels(examples, found.classes)
    classes = wanted.classes or found.classes
    numbers = [_number_of(name, found) for name in classes]
    if len(set(numbers)) < len(numbers):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise InputError(f"dataset.classes: {twice!r} is named twice; name each class once")
    streams = Streams(wanted.subset_seed)
    train = Part.whole(found.train).of_classes(numbers)
    if wanted.test_fraction is not None:
        train, test = train.divided(wanted.test_fraction, classes, streams.child("test"))
    elif found.test is not None:
        test = Part.whole(found.test).of_classes(numbers)
    else:
        raise InputError(
            f"dataset: {found.source} has no test split, and networks are scored on one; set a share of the "
            "training images apart for it, such as dataset.test_fraction = 0.2"
        )
    if wanted.limit is not None:
        train = train.limited(wanted.limit, classes, streams.child("limit"))
    return Selection(classes, train, test)


def _number_of(name: str, found: RawDataset) -> int:
    if name in found.classes:
        return found.classes.index(name)
    near = get_close_matches(name, found.classes, 1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    there = ", ".join(found.classes[:20]) + (", …" if len(found.classes) > 20 else "")
    raise InputError(
        f"dataset.classes: there is no class {name!r} in {found.source}; {meant}there are {there}"
    )


def _refuse_strange_labels(examples: Examples, classes: tuple[str, ...]) -> None:
    strange = (examples.labels < 0) | (examples.labels >= len(classes))
    if strange.any():
        first = int(strange.nonzero()[0])
        raise InputError(
            f"dataset: {examples.name(first)} has the label {int(examples.labels[first])}, and "
            f"{int(strange.sum()) - 1} others have such; allowed are 0 to {len(classes) - 1}, for the "
            f"{len(classes)} classes"
        )
