"""Class-incremental learning: new classes come step by step, and all seen so far are told apart."""

from collections.abc import Sequence
from typing import ClassVar, Literal, final

from idc.stages.evaluators.incremental import Incremental, Steps


@final
class ClassIncremental(Incremental):
    """Class-incremental learning (IDC, section 6): the network has an output for each class seen so far."""

    along: ClassVar[str] = "classes seen"

    type: Literal["class-incremental"] = "class-incremental"

    def reached(self, seen: Steps) -> int:
        """The number of classes."""
        return sum(map(len, seen))

    def outputs(self, seen: Steps) -> dict[int, int]:
        """One for each class, in the order in which they come."""
        return {label: output for output, label in enumerate(label for step in seen for label in step)}

    def overall(self, accuracies: Sequence[float], images: Sequence[int]) -> float:
        """The fraction of all test images of the classes seen, in percent."""
        return sum(accuracy * count for accuracy, count in zip(accuracies, images, strict=True)) / sum(images)
