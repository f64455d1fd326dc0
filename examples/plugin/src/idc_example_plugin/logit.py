"""An objective that matches the mean logits of real and synthetic images."""

from typing import Literal, final

from idc.kinds import Batch, NetworkView, Objective, Scalar


@final
class Logit(Objective):
    """Squared distance between the batches' mean logits."""

    type: Literal["logit"] = "logit"

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """The squared difference, summed over classes."""
        return ((net.logits(real.images).mean(0) - net.logits(syn.images).mean(0)) ** 2).sum()
