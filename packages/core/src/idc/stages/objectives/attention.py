"""Matching where a network looks in real and in synthetic images."""

from typing import Annotated, Literal, final

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from idc.kinds import Batch, InputError, NetworkView, Objective, Scalar
from idc.stages import papers

EPSILON = 1e-12
"""Smallest length of an attention map."""
SCALE = 100.0
"""Factor of the distance, as in DataDAM's code."""


@final
class Attention(Objective):
    """Squared distance between mean attention maps of all layers but the last (DataDAM, ICCV 2023).

    That between the mean features of the last layer is added. The network needs
    ``maps(images)``, the maps of each layer before pooling.
    """

    bibtex = papers.DATADAM

    type: Literal["attention"] = "attention"
    power: Annotated[float, Field(ge=1)] = 1.0
    """Exponent of the maps' absolute values: 1 as DataDAM's code calls it."""
    task_balance: Annotated[float, Field(ge=0)] = 0.01
    """Weight of the last layer's features (the paper's lambda)."""

    def passes(self) -> tuple[int, int]:
        """Twice those of features, because the maps take passes of their own."""
        return 2, 6

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """100 times the attention's distance plus `task_balance` times the features'.

        Raises:
            InputError: the network has no maps, or of one layer only.
        """
        wanted, given = ([*net.maps(images)][:-1] for images in (real.images, syn.images))
        if not wanted:
            raise InputError(
                "objective: 'attention' compares all layers but the last, and this network has only one; "
                "choose a deeper model or objective.type = 'feature'"
            )
        last, own_last = net.features(real.images)[-1], net.features(syn.images)[-1]
        total = self.task_balance * _distance(last, own_last)
        for real_maps, syn_maps in zip(wanted, given, strict=True):
            total = total + _distance(attention(real_maps, self.power), attention(syn_maps, self.power))
        return SCALE * total


def attention(maps: Float[Tensor, "n channels ..."], power: float) -> Float[Tensor, "n positions"]:
    """Sum over channels of the absolute values to a power, divided by its length over all positions."""
    return nn.functional.normalize((maps.abs() ** power).sum(1).flatten(1), eps=EPSILON)


def _distance(real: Tensor, syn: Tensor) -> Scalar:
    return ((real.mean(0) - syn.mean(0)) ** 2).sum()
