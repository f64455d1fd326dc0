"""Codes from real images that cover their class."""

from typing import Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from idc.stages import papers
from idc.stages.initializers.coreset import Coreset


@final
class KCenter(Coreset):
    """Greedy k-centre (Sener and Savarese, ICLR 2018); the papers' baseline *K-Center*."""

    bibtex = papers.K_CENTER

    type: Literal["k-center"] = "k-center"

    def choose(self, features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
        """By `centers`."""
        return centers(features, count)


def centers(features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
    """Select the row nearest to the mean, then repeatedly the row farthest from all selected ones.

    Args:
        features: of one class.
        count: number to select; all if there are fewer.

    Returns:
        Positions in the order of selection. The largest distance of any row to its nearest centre is at most
        twice the optimum (Gonzalez, 1985).
    """
    chosen = [(features - features.mean(0)).norm(dim=1).argmin()]
    distances = torch.full_like(features[:, 0], torch.inf)
    while len(chosen) < min(count, len(features)):
        distances = torch.minimum(distances, (features - features[chosen[-1]]).norm(dim=1))
        # Not again, even among identical images.
        distances[chosen[-1]] = -1.0
        chosen.append(distances.argmax())
    return torch.stack(chosen)
