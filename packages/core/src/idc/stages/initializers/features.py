"""Features of a network trained on the real data, for initializers that select images by them."""

from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from idc.kinds import Indices, Model, Network, Split, Streams, Table
from idc.training.embedding import embed
from idc.training.recipe import Training


class Features(Table):
    """A network trained on the real data, and the layer whose features are compared."""

    epochs: Annotated[int, Field(ge=0)] = 10
    """Epochs of training on the real data."""
    layer: int = -1
    """Index from 0, or negative from the last layer before the logits."""
    training: Training = Training()
    """Training recipe of the network."""

    def network(self, model: Model, real: Split, streams: Streams) -> Network:
        """A network trained for `epochs`."""
        network = model.fresh(real.spec, streams, real.device)
        steps = self.epochs * self.training.batches_per_epoch(real)
        with self.training.execution(network, real, steps).active():
            return self.training.steps(network, real, steps)

    def of(self, network: Network, real: Split, members: Indices) -> Float[Tensor, "members features"]:
        """Features of `layer`, as by `embed`."""
        return embed(network, real, members, self.layer, "init.features.layer")
