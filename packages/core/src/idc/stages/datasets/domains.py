"""Several datasets with the same classes, one after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, final

import torch
from pydantic import Field

from idc.data.split import Split, joined
from idc.errors import InputError, within
from idc.kinds import ArrayExamples, Dataset, RawDataset, RealData


@final
class Domains(Dataset):
    """The same classes from several sources, for domain-incremental learning.

    Each class of each source is a class of its own here, in the order of the sources.

    With ``groups.classes`` set to the number of classes of a source and ``groups.see = "group"``, each source
    is condensed apart.
    """

    type: Literal["domains"] = "domains"
    parts: Annotated[tuple[Dataset, ...], Field(min_length=2)]
    """The datasets, each with its own fields. Their images must have the same shape and range of values,
    which the parts' ``size`` and ``channels`` may bring about, and their classes the same number and
    meaning."""

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """All images of all parts; class ``3`` of the second part of type ``mnist`` is ``mnist-2/3``.

        Raises:
            InputError: a part cannot be loaded, or the parts do not fit each other.
        """
        loaded: list[RealData] = []
        for position, part in enumerate(self.parts):
            with within(f"dataset.parts.{position}"):
                loaded.append(part.load(root, download=download))
        first = loaded[0].spec
        for position, each in enumerate(loaded[1:], 1):
            for what in ("shape", "low", "high", "content"):
                _refuse_another(what, position, getattr(each.spec, what), getattr(first, what))
            _refuse_another("number of classes", position, len(each.spec.classes), len(first.classes))
        names = [part.type for part in self.parts]
        domains = [
            name if names.count(name) == 1 else f"{name}-{names[: position + 1].count(name)}"
            for position, name in enumerate(names)
        ]
        return RawDataset(
            source=", ".join(domains),
            classes=tuple(
                f"{domain}/{name}"
                for domain, each in zip(domains, loaded, strict=True)
                for name in each.spec.classes
            ),
            train=_examples([each.train for each in loaded]),
            test=_examples([each.test for each in loaded]),
            low=first.low,
            high=first.high,
            content=first.content,
        )


def _refuse_another(what: str, position: int, ours: object, theirs: object) -> None:
    if ours != theirs:
        raise InputError(
            f"dataset.parts.{position}: its {what} is {ours}, but that of the first part is {theirs}; set "
            "size, channels or classes of the parts so that they are the same"
        )


def _examples(splits: Sequence[Split]) -> ArrayExamples:
    """The images of all splits, with the labels of each after those of the one before."""
    classes = len(splits[0].spec.classes)
    whole = joined(splits)
    firsts = [torch.full((len(split),), position * classes) for position, split in enumerate(splits)]
    return ArrayExamples(whole.pixels, whole.labels + torch.cat(firsts))
