"""Matching the mean features of real and synthetic images."""

from typing import Annotated, Literal, final

from pydantic import Field

from idc.kinds import Batch, NetworkView, Objective, Scalar, layer_of
from idc.stages import papers
from idc.stages.objectives.gradient import METRICS


@final
class Feature(Objective):
    """Distance between the batch means of features, summed over entries and layers.

    IDC's alternative to gradient matching; with the last layer and untrained networks, DM's loss. The `sum`
    of this and `gradient`, with the same metric, is DREAM+'s.
    """

    bibtex = papers.DM

    type: Literal["feature"] = "feature"
    layers: Annotated[tuple[int, ...], Field(min_length=1)] = (-1,)
    """Layers to match: indices from 0, or negative from the last before the logits."""
    metric: Literal["mse", "l1"] = "mse"
    """``mse`` and ``l1``: squared or absolute difference, summed over entries."""

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """The distance; features are not pooled over space."""
        both = net.features(real.images), net.features(syn.images)
        pairs = [
            [layer_of(features, layer, "objective.layers") for features in both] for layer in self.layers
        ]
        metric = METRICS[self.metric]
        distances = [metric(real_layer.mean(0), syn_layer.mean(0)) for real_layer, syn_layer in pairs]
        total = distances[0]
        for distance in distances[1:]:
            total = total + distance
        return total
