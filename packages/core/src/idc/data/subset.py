"""Selection of a dataset's images: classes, splits and limits."""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

import numpy as np

from idc.data.examples import Example, Examples, RawDataset, Subset
from idc.errors import InputError
from idc.seeding import Streams


@dataclass(frozen=True, eq=False)
class Wanted:
    """A dataset table's selection: which images, and how they are converted."""

    type: str
    """The dataset's type, for messages."""
    classes: tuple[str, ...] | None
    """Names, in the order of the labels; None for all."""
    class_order: int | None
    """Seed of a random order of the classes; None to keep theirs."""
    limit: int | None
    """Maximum number of training images per class."""
    test_fraction: float | None
    """Fraction of each class's training images held out for testing."""
    subset_seed: int
    mean: tuple[float, ...] | None
    """Mean of each channel, for normalisation; None to compute it."""
    std: tuple[float, ...] | None
    """Standard deviation of each channel; None to compute it."""
    on_error: Literal["fail", "skip"]
    shaped: Callable[[Example], Example]
    """Converts an image that was read; called from several threads."""
    read_by: Callable[[], tuple[str, ...]]
    """Part of the cache key: strings that change with everything that affects how an image is read."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The selected images of both splits."""

    classes: tuple[str, ...]
    """Names, in the order of the labels."""
    train: Subset
    test: Subset


def select(found: RawDataset, wanted: Wanted) -> Selection:
    """Select classes, then the test split, then the limit.

    Args:
        found: all images of the dataset.
        wanted: the classes, split and limit.

    Raises:
        InputError: a label is out of range, a selected class does not exist, or there is no test split.
    """
    for examples in filter(None, (found.train, found.test)):
        _refuse_invalid_labels(examples, found.classes)
    classes = wanted.classes or found.classes
    if wanted.class_order is not None:
        order = np.random.RandomState(wanted.class_order).permutation(len(classes))
        classes = tuple(classes[label] for label in order)
    numbers = [_number_of(name, found) for name in classes]
    if len(set(numbers)) < len(numbers):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise InputError(f"dataset.classes: {twice!r} is listed twice; list each class once")
    streams = Streams(wanted.subset_seed)
    train = Subset.whole(found.train).of_classes(numbers)
    if wanted.test_fraction is not None:
        train, test = train.divided(wanted.test_fraction, classes, streams.child("test"))
    elif found.test is not None:
        test = Subset.whole(found.test).of_classes(numbers)
    else:
        raise InputError(
            f"dataset: {found.source} has no test split to score networks on; hold out a fraction of the "
            "training images, such as dataset.test_fraction = 0.2"
        )
    if wanted.limit is not None:
        train = train.limited(wanted.limit, classes, streams.child("limit"))
    return Selection(classes, train, test)


def _number_of(name: str, found: RawDataset) -> int:
    if name in found.classes:
        return found.classes.index(name)
    near = get_close_matches(name, found.classes, 1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    known = ", ".join(found.classes[:20]) + (", …" if len(found.classes) > 20 else "")
    raise InputError(
        f"dataset.classes: there is no class {name!r} in {found.source}; {meant}its classes are {known}"
    )


def _refuse_invalid_labels(examples: Examples, classes: tuple[str, ...]) -> None:
    invalid = (examples.labels < 0) | (examples.labels >= len(classes))
    if invalid.any():
        first = int(invalid.nonzero()[0])
        raise InputError(
            f"dataset: {examples.name(first)} has the label {int(examples.labels[first])}, and "
            f"{int(invalid.sum()) - 1} others are out of range too; allowed are 0 to {len(classes) - 1}, for "
            f"{len(classes)} classes"
        )
