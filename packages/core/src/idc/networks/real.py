"""Networks trained on real data between inner steps."""

from collections.abc import Callable
from typing import Annotated, Literal, final

from pydantic import Field

from idc.data import Split
from idc.kinds import Model, Networks
from idc.network import Network
from idc.seeding import Streams
from idc.shapes import Batch
from idc.training import Training


@final
class Real(Networks):
    """IDC's schedule: a fresh network, trained a little on real data after every inner step (section 4)."""

    type: Literal["real"] = "real"
    images: Annotated[int, Field(ge=0)] = 500
    """Real images to train on after an inner step, at least: batches are taken until they are reached."""
    every: Annotated[int, Field(ge=1)] = 1
    """Outer iterations that a network lasts."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    """Passes over the real data before a fresh network is first matched."""
    training: Training = Training()

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """A fresh network, or the previous one while it lasts."""
        if previous is not None and iteration % self.every:
            return previous
        with streams.seeded("weights"):
            module = model.build(real.spec)
        network = Network.of(module, streams, real.pixels.device)
        return self._trained(network, real, self.warmup_epochs * len(real), self.warmup_epochs)

    def train(self, network: Network, real: Split, synthetic: Callable[[], Batch]) -> Network:
        """The network after at least ``images`` real images, but no more than one pass over the data."""
        return self._trained(network, real, self.images, 1)

    def _trained(self, network: Network, real: Split, images: int, passes: int) -> Network:
        preprocessing = self.training.preprocessing(real)
        per_pass = self.training.batches_per_epoch(real)
        last, seen = network.batches + passes * per_pass, 0
        while seen < images and network.batches < last:
            seen += self.training.size_of_next(network, real)
            network = self.training.step(network, real, preprocessing)
        return network
