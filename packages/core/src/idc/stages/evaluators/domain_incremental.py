"""Domain-incremental learning: the same classes come from one source after the other."""

import statistics
from collections.abc import Sequence
from typing import ClassVar, Literal, final

from idc.stages.evaluators.incremental import Incremental, Steps


@final
class DomainIncremental(Incremental):
    """Domain-incremental learning, such as digits from SVHN, then MNIST, then USPS (DC, section 4.3).

    For datasets of the type ``domains``, with one step for each. The network has an output for each class of
    a domain.
    """

    along: ClassVar[str] = "domains seen"

    type: Literal["domain-incremental"] = "domain-incremental"

    def reached(self, seen: Steps) -> int:
        """The number of domains."""
        return len(seen)

    def outputs(self, seen: Steps) -> dict[int, int]:
        """The class's position in its domain."""
        return {label: output for step in seen for output, label in enumerate(step)}

    def overall(self, accuracies: Sequence[float], images: Sequence[int]) -> float:
        """The mean over the domains, however many test images each has."""
        return statistics.fmean(accuracies)
