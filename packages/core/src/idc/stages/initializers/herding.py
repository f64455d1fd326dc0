"""Codes from real images that together have their class's mean features."""

from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from idc.stages.initializers.coreset import Coreset


@final
class Herding(Coreset):
    """Greedy mean matching (Welling, 2009), the baseline *Herding* of the papers."""

    type: Literal["herding"] = "herding"

    def choose(self, features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
        """As `herded`."""
        return herded(features, count)


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
