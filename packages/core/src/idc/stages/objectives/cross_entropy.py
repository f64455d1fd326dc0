"""The loss of the network on the synthetic images."""

from typing import Literal, final

from torch import nn

from idc.kinds import Batch, NetworkView, Objective, Scalar


@final
class CrossEntropy(Objective):
    """Mean cross-entropy of the synthetic images with their labels; the real images are not looked at.

    As a term of a `sum`: through a trained network the calibration of NCFM (CVPR 2025) and DANCE, through the
    network being matched the second loss of IDM (CVPR 2023).
    """

    type: Literal["cross-entropy"] = "cross-entropy"

    def passes(self) -> tuple[int, int]:
        """None of the real images."""
        return 0, 3

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """The loss, for hard or soft labels."""
        return nn.functional.cross_entropy(net.logits(syn.images), syn.labels)
