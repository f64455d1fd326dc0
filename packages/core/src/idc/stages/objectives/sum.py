"""Several objectives at once, or one after the other."""

from typing import Annotated, Literal, final

from pydantic import Field, model_validator
from torch import Generator

from idc.kinds import Batch, Draw, Model, NetworkView, Objective, Scalar, Split, Streams, Table, Tensors
from idc.stages import papers


class Term(Table):
    """A term of a sum of objectives."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """Factor of the term."""
    network: str | None = None
    """A companion of the network being matched, such as ``trained``; by default the network itself."""
    times: str | None = None
    """A fact about the network by which the weight is multiplied, such as ``accuracy``, in percent (IDM)."""
    objective: Objective
    """What is weighted."""

    def cited(self) -> tuple[str, ...]:
        """With IDM's paper where the weight follows the accuracy."""
        return (papers.IDM, *super().cited()) if self.times == "accuracy" else super().cited()


@final
class Sum(Objective):
    """The weighted sum of other objectives.

    With ``steps = "in-turn"`` the codes are updated once with each term in every inner step: DANCE and NCFM
    match with the network being matched, then calibrate with the trained one.
    """

    type: Literal["sum"] = "sum"
    terms: Annotated[tuple[Term, ...], Field(json_schema_extra={"minItems": 1})]
    """The objectives, with their weights; at least one."""
    steps: Literal["together", "in-turn"] = "together"
    """``together``: one update with the gradient of the sum. ``in-turn``: an update with each term."""

    @model_validator(mode="after")
    def _some_terms_of_one_step(self) -> "Sum":
        # Not by min_length, which is also reported where a term is refused.
        if not self.terms:
            raise ValueError("terms is empty, so there is nothing to add; list at least one objective")
        for position, term in enumerate(self.terms):
            if term.objective.sweeps() > 1:
                raise ValueError(
                    f"terms.{position}: objective {term.objective.type!r} updates the codes several times in "
                    "an inner step, which a term cannot; list its terms in this sum"
                )
        return self

    def prepare(self, real: Split, model: Model, streams: Streams) -> Tensors:
        """What the terms prepare, under ``<position>.<name>``."""
        return _numbered(
            [
                term.objective.prepare(real, model, streams.child(position))
                for position, term in enumerate(self.terms)
            ]
        )

    def draw(self, prepared: Tensors, generator: Generator) -> Tensors:
        """What the terms draw, one after the other, under ``<position>.<name>``."""
        return _numbered(
            [
                term.objective.draw(Draw(prepared).part(str(position)), generator)
                for position, term in enumerate(self.terms)
            ]
        )

    def remember(self, net: NetworkView, real: Batch, syn: Batch) -> Tensors:
        """What the terms remember, under ``<position>.<name>``."""
        return _numbered(
            [
                term.objective.remember(self._view(position, net), real, syn)
                for position, term in enumerate(self.terms)
            ]
        )

    def sweeps(self) -> int:
        """1, or in turn as many as there are terms."""
        return 1 if self.steps == "together" else len(self.terms)

    def passes(self) -> tuple[int, int]:
        """Those of all terms."""
        real, synthetic = zip(*(term.objective.passes() for term in self.terms), strict=True)
        return sum(real), sum(synthetic)

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """The sum, or the term of this sweep."""
        positions = range(len(self.terms)) if self.steps == "together" else (net.sweep,)
        first, *others = (self._weighted(position, net, real, syn) for position in positions)
        for other in others:
            first = first + other
        return first

    def _weighted(self, position: int, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        term = self.terms[position]
        distance = term.weight * term.objective.distance(self._view(position, net), real, syn)
        if term.times is None:
            return distance
        return net.fact(term.times, f"objective.terms.{position}.times") * distance

    def _view(self, position: int, net: NetworkView) -> NetworkView:
        companion = self.terms[position].network
        place = f"objective.terms.{position}.network"
        return (net if companion is None else net.of(companion, place)).part(str(position))


def _numbered(parts: list[Tensors]) -> Tensors:
    return {
        f"{position}.{name}": tensor for position, part in enumerate(parts) for name, tensor in part.items()
    }
