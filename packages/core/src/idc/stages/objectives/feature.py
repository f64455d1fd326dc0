"""Matching the mean features of real and synthetic images."""

from typing import Annotated, Literal, final

from pydantic import Field

from idc.kinds import Batch, NetworkView, Objective, Scalar, layer_of


@final
class Feature(Objective):
    """Squared distance between the batch means of features, summed over entries and layers.

    IDC's alternative to gradient matching; with the last layer and untrained networks, DM's loss.
    """

    type: Literal["feature"] = "feature"
    layers: Annotated[tuple[int, ...], Field(min_length=1)] = (-1,)
    """Layers to match: indices from 0, or negative from the last before the logits."""

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """The distance; features are not pooled over space."""
        both = net.features(real.images), net.features(syn.images)
        pairs = [
            [layer_of(features, layer, "objective.layers") for features in both] for layer in self.layers
        ]
        distances = [((real_layer.mean(0) - syn_layer.mean(0)) ** 2).sum() for real_layer, syn_layer in pairs]
        total = distances[0]
        for distance in distances[1:]:
            total = total + distance
        return total
