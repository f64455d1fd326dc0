"""Codes from real images that together have their class's mean features."""

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
class Herding(Initializer):
    """Greedy mean matching (Welling, 2009), as the baseline *Herding* of the papers.

    With ``iterations = 0`` and ``raw`` it is that baseline.
    """

    type: Literal["herding"] = "herding"
    features: Features = Features()

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """What the decoder makes of ``images_per_class`` herded real images of each class."""
        decoder.capacity(images_per_class, real.spec)
        network = self.features.network(model, real, streams)
        chosen = [
            members[herded(self.features.of(network, real, members), images_per_class)]
            for members in real.members
        ]
        return decoder.encode(
            real.first_of_each_class(chosen, images_per_class, 1, "init 'herding'"), images_per_class
        )


def herded(features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
    """Choose so that the mean of the chosen stays as near as can be to the mean of all, one by one.

    Args:
        features: of one class.
        count: how many to choose; all if there are fewer.

    Returns:
        Positions, in the order of being chosen: step j takes the one not chosen yet that minimises
        ``|j · mean - sum of those chosen - it|``.
    """
    mean, total = features.mean(0), torch.zeros_like(features[0])
    taken = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    chosen: list[Tensor] = []
    for step in range(1, min(count, len(features)) + 1):
        distances = (step * mean - total - features).norm(dim=1)
        nearest = distances.masked_fill(taken, torch.inf).argmin()
        taken[nearest] = True
        total = total + features[nearest]
        chosen.append(nearest)
    return torch.stack(chosen)
