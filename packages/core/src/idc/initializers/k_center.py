"""Codes from real images that leave none of their class far away."""

from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from idc.data import Split
from idc.initializers.features import Features
from idc.kinds import Decoder, Initializer, Model
from idc.seeding import Streams
from idc.shapes import Codes


@final
class KCenter(Initializer):
    """Greedy k-centre (Sener and Savarese, ICLR 2018), as the baseline *K-Center* of the papers.

    With ``iterations = 0`` and ``raw`` it is that baseline.
    """

    type: Literal["k-center"] = "k-center"
    features: Features = Features()

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """What the decoder makes of ``images_per_class`` central real images of each class."""
        decoder.capacity(images_per_class, real.spec)
        network = self.features.network(model, real, streams)
        chosen = [
            members[centers(self.features.of(network, real, members), images_per_class)]
            for members in real.members
        ]
        return decoder.encode(
            real.first_of_each_class(chosen, images_per_class, 1, "init 'k-center'"), images_per_class
        )


def centers(features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
    """Choose the one nearest to the mean, then again and again the one farthest from all chosen.

    Args:
        features: of one class.
        count: how many to choose; all if there are fewer.

    Returns:
        Positions, in the order of being chosen. The largest distance from any to its nearest centre is at
        most twice the smallest possible (Gonzalez, 1985).
    """
    chosen = [(features - features.mean(0)).norm(dim=1).argmin()]
    distances = torch.full_like(features[:, 0], torch.inf)
    while len(chosen) < min(count, len(features)):
        distances = torch.minimum(distances, (features - features[chosen[-1]]).norm(dim=1))
        # Never again, even where several images are the same.
        distances[chosen[-1]] = -1.0
        chosen.append(distances.argmax())
    return torch.stack(chosen)
