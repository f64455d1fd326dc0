"""Which of a dataset's images a table wants: its classes, splits and limits."""

from dataclasses import dataclass
from difflib import get_close_matches

from idc.errors import InputError
from idc.examples import Examples, Found, Part
from idc.kinds import Dataset
from idc.seeding import Streams


@dataclass(frozen=True, eq=False)
class Selection:
    """The images of both splits that are to be read."""

    classes: tuple[str, ...]
    """Names, in the order of the labels."""
    train: Part
    test: Part


def select(found: Found, table: Dataset) -> Selection:
    """Choose as a table says: classes, then the test split, then the limit.

    Args:
        found: what there is.
        table: the dataset's.

    Raises:
        InputError: a label is none of the classes', a class wanted is not there, or there is no test split.
    """
    for examples in filter(None, (found.train, found.test)):
        _refuse_strange_labels(examples, found.classes)
    classes = table.wanted_classes() or found.classes
    numbers = [_number_of(name, found) for name in classes]
    if len(set(numbers)) < len(numbers):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise InputError(f"dataset.classes: {twice!r} is named twice; name each class once")
    streams = Streams(table.subset_seed)
    train = Part.whole(found.train).of_classes(numbers)
    if table.test_fraction is not None:
        train, test = train.divided(table.test_fraction, classes, streams.child("test"))
    elif found.test is not None:
        test = Part.whole(found.test).of_classes(numbers)
    else:
        raise InputError(
            f"dataset: {found.source} has no test split, and networks are scored on one; set a share of the "
            "training images apart for it, such as dataset.test_fraction = 0.2"
        )
    if table.limit is not None:
        train = train.limited(table.limit, classes, streams.child("limit"))
    return Selection(classes, train, test)


def _number_of(name: str, found: Found) -> int:
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
