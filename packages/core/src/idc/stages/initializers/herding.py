"""Codes from real images whose mean features approximate their class's mean."""

from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from idc.stages import papers
from idc.stages.initializers.coreset import Coreset


@final
class Herding(Coreset):
    """Greedy mean matching (Welling, 2009); the papers' baseline *Herding*."""

    bibtex = papers.HERDING

    type: Literal["herding"] = "herding"

    def choose(self, features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
        """By `herded`."""
        return herded(features, count)


def herded(features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
    """Greedily select rows whose mean is close to the mean of all.

    Args:
        features: of one class.
        count: number to select; all if there are fewer.

    Returns:
        Positions in the order of selection. Step j selects the row x, not selected before, that minimises
        ``|j · mean - sum of selected rows - x|``.
    """
    mean, total = features.mean(0), torch.zeros_like(features[0])
    selected = torch.zeros(len(features), dtype=torch.bool, device=features.device)
    chosen: list[Tensor] = []
    for step in range(1, min(count, len(features)) + 1):
        distances = (step * mean - total - features).norm(dim=1)
        nearest = distances.masked_fill(selected, torch.inf).argmin()
        selected[nearest] = True
        total = total + features[nearest]
        chosen.append(nearest)
    return torch.stack(chosen)
