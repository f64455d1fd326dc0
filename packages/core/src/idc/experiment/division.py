"""How much of a run remains for each of several processes.

A model, to say beforehand what a run with N processes takes from what its parts take in one process that has
as many threads as each of them:

- Matching, and a sampler's look at the data: all wait for the process whose classes have most images, so that
  the time is multiplied by the images of the largest block of classes over those of all classes.
- Networks that inner steps match: if they are independent, N processes start and train those of N outer
  iterations at the same time (of more, where several reuse a network), so that n networks take as long as
  ⌈n / N⌉. Other networks are started and trained in every process.
- Pretraining and scores: n networks, each taken to need as long as the others, take as long as ⌈n / N⌉.
- Undivided: what an objective prepares, and compiling.

Each process is taken to be as fast as one alone, on cores or a GPU of its own, which it may not be where they
share memory. What they exchange is not counted: a network in each step where networks are trained ahead,
synthetic images where networks are trained on these, and otherwise a number for each class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from idc.runtime.processes import Processes


@dataclass(frozen=True)
class Parts:
    """Seconds of the parts of a run."""

    pretraining: float = 0.0
    """Training pools of networks."""
    once: float = 0.0
    """What happens once in a condensation: preparing the objective, compiling."""
    networks: float = 0.0
    """Starting the networks that inner steps match, and training them between two steps."""
    matching: float = 0.0
    """Matching and updating the codes, and the sampler's looks at the data."""
    scoring: float = 0.0
    """Scoring all synsets."""

    @property
    def condensing(self) -> float:
        """All that belongs to the condensation."""
        return self.once + self.networks + self.matching

    @property
    def total(self) -> float:
        """All parts together."""
        return self.pretraining + self.condensing + self.scoring


@dataclass(frozen=True)
class Division:
    """What a run is divided into.

    Args:
        images: real and synthetic images in a match of each class.
        pretrained: number of networks that pools lack.
        started: number of networks that outer iterations start.
        independent: whether these are trained ahead.
        scored: number of networks of all scores.
    """

    images: Sequence[int]
    pretrained: int
    started: int
    independent: bool
    scored: int

    def most_classes(self, processes: int) -> int:
        """Number of classes of the process with most of them.

        Args:
            processes: number of processes.
        """
        return max(map(len, self._blocks(processes)))

    def remaining(self, parts: Parts, processes: int | None) -> Parts:
        """Seconds that remain where the parts are divided.

        Args:
            parts: seconds in one process.
            processes: number of processes; None for as many as there is work for.
        """
        blocks = self._blocks(processes)
        largest = max(sum(self.images[label] for label in block) for block in blocks)
        return Parts(
            pretraining=parts.pretraining * _rounds(self.pretrained, processes),
            once=parts.once,
            networks=parts.networks * (_rounds(self.started, processes) if self.independent else 1.0),
            matching=parts.matching * largest / sum(self.images),
            scoring=parts.scoring * _rounds(self.scored, processes),
        )

    def undivided(self, parts: Parts) -> float:
        """Seconds of the parts that every process spends.

        Args:
            parts: seconds in one process.
        """
        return parts.once + (0.0 if self.independent else parts.networks)

    def _blocks(self, processes: int | None) -> list[range]:
        if processes is None:
            return [range(label, label + 1) for label in range(len(self.images))]
        return Processes(count=processes).blocks(self.images)


def _rounds(networks: int, processes: int | None) -> float:
    """The share of the time of networks that remains if each process has one at a time."""
    return -(-networks // (processes or networks)) / networks if networks else 1.0
