"""Groups of classes that are condensed apart."""

from typing import Annotated, Literal

from pydantic import Field

from idc.errors import InputError
from idc.spec import ImageSpec
from idc.table import Table


class Groups(Table):
    """Groups of classes that are condensed one after the other, each with networks of its own.

    As ImageNet-100 in IDC's public code (five groups of 20 classes), or as the phases of continual learning.
    """

    classes: Annotated[int, Field(ge=1)] | tuple[Annotated[tuple[str, ...], Field(min_length=1)], ...]
    """Number of classes in a group, consecutive ones (the last group may be smaller), or the names of each
    group's."""
    see: Literal["all", "group", "so-far"] = "all"
    """Whose real images the networks of a group are trained on and classify: those of ``all`` classes, of the
    ``group`` alone, or of this group and those before it (``so-far``)."""

    def labels(self, spec: ImageSpec) -> list[list[int]]:
        """The class numbers of each group.

        Raises:
            InputError: a name is no class, or a class is in no group or in several.
        """
        known = spec.classes
        if isinstance(self.classes, int):
            if self.classes > len(known):
                raise InputError(
                    f"groups.classes: {self.classes} is more than the dataset's {len(known)} classes; set a "
                    "smaller number, or leave [groups] out"
                )
            firsts = range(0, len(known), self.classes)
            return [list(range(first, min(first + self.classes, len(known)))) for first in firsts]
        named = [name for group in self.classes for name in group]
        for name in dict.fromkeys([*named, *known]):
            if name not in known or named.count(name) != 1:
                what = f"is in {named.count(name)} groups" if name in known else "is no class of the dataset"
                raise InputError(
                    f"groups.classes: {name!r} {what}; name each of the {len(known)} classes once "
                    f"({', '.join(known[:5])}{', …' if len(known) > 5 else ''})"
                )
        return [[known.index(name) for name in group] for group in self.classes]

    def seen(self, spec: ImageSpec) -> list[list[int]]:
        """The class numbers that the networks of each group see, ascending."""
        groups = self.labels(spec)
        if self.see == "all":
            return [list(range(len(spec.classes))) for _ in groups]
        if self.see == "group":
            return [sorted(group) for group in groups]
        return [
            sorted(label for group in groups[: last + 1] for label in group) for last in range(len(groups))
        ]


def known_by_class(groups: Groups | None, spec: ImageSpec) -> list[frozenset[int]]:
    """For each class, the classes whose real images its codes may depend on.

    Args:
        groups: of the pipeline; None: all classes were condensed together.
        spec: of the images.
    """
    groups = groups or Groups(classes=len(spec.classes))
    known = [frozenset[int]()] * len(spec.classes)
    for labels, seen in zip(groups.labels(spec), groups.seen(spec), strict=True):
        for label in labels:
            known[label] = frozenset(seen)
    return known
