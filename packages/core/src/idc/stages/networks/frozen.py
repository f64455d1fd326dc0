"""Untrained networks."""

from collections.abc import Callable
from typing import Literal, final

from idc.kinds import Model, Network, Networks, Split, Streams
from idc.stages import papers


@final
class Frozen(Networks):
    """A new network with random weights in every outer iteration (DM, section 3)."""

    bibtex = papers.DM

    type: Literal["frozen"] = "frozen"

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """A new network."""
        return model.fresh(real.spec, streams, real.device)

    def train(self, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        """The network unchanged."""
        return network
