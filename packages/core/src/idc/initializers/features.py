"""What a network trained on the real data sees in its images, for initializers that choose by it."""

from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from idc.data import Split
from idc.kinds import Model
from idc.network import Network, layer_of
from idc.preprocessing import Preprocessing
from idc.seeding import Streams
from idc.shapes import Indices
from idc.stage import Table
from idc.training import Training

AT_A_TIME = 500
"""Images in a forward pass."""


class Features(Table):
    """A network that is trained on the real data, and the layer that is looked at."""

    epochs: Annotated[int, Field(ge=0)] = 10
    """Passes over the real data."""
    layer: int = -1
    """Counted from 0, or from -1 for the last before the logits."""
    training: Training = Training()
    """How the network is trained."""

    def network(self, model: Model, real: Split, streams: Streams) -> Network:
        """A network trained for `epochs`."""
        network = Network.fresh(model, real.spec, streams, real.device)
        steps = self.epochs * self.training.batches_per_epoch(real)
        with self.training.execution(network, real, steps).active():
            return self.training.steps(network, real, steps)

    @torch.no_grad()
    def of(self, network: Network, real: Split, members: Indices) -> Float[Tensor, "members features"]:
        """Features of some real images, flattened, in float64.

        Args:
            network: as `network` returned it; used in evaluation mode.
            real: the training split.
            members: positions of the images.

        Raises:
            InputError: the network has no such layer.
        """
        preprocessing = Preprocessing(real.spec, device=real.device)
        found: list[Tensor] = []
        with network.evaluating():
            for some in members.split(AT_A_TIME):
                layers = network.features(preprocessing(real.images(some)))
                chosen = layer_of(layers, self.layer, "init.features.layer")
                found.append(chosen.flatten(1).double())
        return torch.cat(found)
