"""What an inner step draws for each class: images and augmentations, and what the objective asks for."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.network.network import Network
from idc.runtime.device import moved_together
from idc.seeding import Address, Streams
from idc.shapes import Draw, Indices, Tensors
from idc.training.preprocessing import Preprocessing


class MatchInputs(NamedTuple):
    """Inputs of one class's match in one inner step, besides the network and the codes."""

    real: Indices
    """Positions of real images."""
    kept: tuple[Indices, ...]
    """Positions of the decoded images to match; empty for all."""
    draws: list[Draw]
    """A siamese draw for each augmentation."""


class Draws:
    """The draws of a pipeline's inner steps; each class has its own streams.

    Args:
        plan: the pipeline.
        train: the real images.
        preprocessing: with the augmentations of the matching.
        streams: the run's.
        decoded: number of training images that a class's codes decode to.
    """

    def __init__(
        self, plan: Pipeline, train: Split, preprocessing: Preprocessing, streams: Streams, decoded: int
    ) -> None:
        self._plan = plan
        self._train = train
        self._preprocessing = preprocessing
        self._streams = streams
        self._decoded = decoded

    def size(self, label: int) -> tuple[int, int]:
        """Number of real and of synthetic images in a match of a class."""
        sampler, streams = self._plan.sampler, self._streams.child("sampler", label)
        kept = sampler.synthetic(self._decoded, 0, streams)
        real = sampler.real(self._train.members[label], 0, streams)
        return len(real), self._decoded if kept is None else len(kept)

    def refresh(self, network: Network, step: int, labels: Iterable[int]) -> dict[int, Indices]:
        """What the sampler's `refresh` returns for each of these classes, before this inner step."""
        return {
            label: self._plan.sampler.refresh(
                self._train.members[label], self._train, network, step, self._streams.child("sampler", label)
            )
            for label in labels
        }

    def __call__(
        self, labels: Iterable[int], step: int, refreshed: Mapping[int, Indices], sweep: int = 0
    ) -> dict[int, MatchInputs]:
        """Inputs of the matches of some classes, on the device.

        Args:
            labels: of the classes.
            step: inner steps of the group that are done.
            refreshed: what `refresh` returned last.
            sweep: number of the sweep within the inner step. Each has the same images and its own draws.
        """
        drawn = {label: self._drawn(label, step, refreshed, sweep) for label in labels}
        return moved_together(drawn, self._train.device)

    def of_objective(self, label: int, step: int, sweep: int, prepared: Tensors) -> Tensors:
        """What `Objective.draw` returns for a match, on the device.

        Apart from the others, because it may be large: only the classes that are matched at once need it.

        Args:
            label: of the class.
            step: inner steps of the group that are done.
            sweep: number of the sweep within the inner step.
            prepared: what `Objective.prepare` returned.
        """
        generator = self._streams.child(*match_address(step, label, sweep)).generator("objective")
        return moved_together(self._plan.objective.draw(prepared, generator), self._train.device)

    def _drawn(self, label: int, step: int, refreshed: Mapping[int, Indices], sweep: int) -> MatchInputs:
        sampler, streams = self._plan.sampler, self._streams.child("sampler", label)
        kept = sampler.synthetic(self._decoded, step, streams)
        match = self._streams.child(*match_address(step, label, sweep))
        return MatchInputs(
            sampler.real(self._train.members[label], step, streams, refreshed.get(label)),
            () if kept is None else (kept,),
            self._preprocessing.draw(1, match.generator("augment")),
        )


def match_address(step: int, label: int, sweep: int) -> Address:
    """The address of a match's random streams."""
    return ("match", step, label, *(("sweep", sweep) if sweep else ()))
