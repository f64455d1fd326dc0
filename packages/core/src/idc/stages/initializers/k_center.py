"""Codes from real images that leave none of their class far away."""

from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from idc.stages.initializers.coreset import Coreset


@final
class KCenter(Coreset):
    """Greedy k-centre (Sener and Savarese, ICLR 2018), the baseline *K-Center* of the papers."""

    type: Literal["k-center"] = "k-center"

    def choose(self, features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
        """As `centers`."""
        return centers(features, count)


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
