"""The network being matched, as an objective sees it."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from idc.errors import InputError
from idc.network.network import Logits, Network, Weights, known
from idc.shapes import Batch, Draw, Images, Scalar, Tensors


class NetworkView:
    """The network being matched, as an objective sees it.

    Args:
        network: with constant weights.
        prepared: what `Objective.prepare` returned.
        drawn: what `Objective.draw` returned for this match.
        sweep: number of the sweep within the inner step, from 0.
        remembered: what `Objective.remember` returned last for this class.
        mapped: whether it is used within ``torch.func.vmap``, where autograd must be torch.func's.
    """

    def __init__(
        self,
        network: Network,
        prepared: Tensors | None = None,
        drawn: Tensors | None = None,
        sweep: int = 0,
        *,
        remembered: Tensors | None = None,
        mapped: bool = False,
    ) -> None:
        self._network = network
        self.mapped = mapped
        """Whether it is used within ``torch.func.vmap``."""
        self.weights: Weights = network.weights
        """The network's weights by name, as constants."""
        self.prepared: Tensors = prepared or {}
        """What `Objective.prepare` returned: constants, computed or drawn once per run."""
        self.drawn: Tensors = drawn or {}
        """What `Objective.draw` returned: constants, drawn for this match."""
        self.remembered: Tensors = remembered or {}
        """What `Objective.remember` returned last for this class: constants; empty the first time."""
        self.sweep = sweep
        """Number of the sweep within the inner step, from 0; see `Objective.sweeps`."""

    def of(self, companion: str, place: str = "objective") -> "NetworkView":
        """The view of a companion of the network, such as ``trained``.

        Args:
            companion: its name.
            place: the pipeline's key for the name, named in the message.

        Raises:
            InputError: the networks have no such companion.
        """
        held = self.prepared, self.drawn, self.remembered
        return self._with(self._network.companion(companion, place), *held)

    def part(self, name: str) -> "NetworkView":
        """The view of a part of an objective: of `prepared`, `drawn` and `remembered`, what is named
        ``<name>.…``."""
        held = self.prepared, self.drawn, self.remembered
        return self._with(self._network, *(Draw(tensors).part(name) for tensors in held))

    def fact(self, name: str, place: str = "objective") -> Scalar:
        """What is known about the network, such as its ``accuracy``.

        Args:
            name: of the fact.
            place: the pipeline's key for the name, named in the message.

        Raises:
            InputError: it is not known of these networks.
        """
        if name not in self._network.facts:
            raise InputError(
                f"{place}: {name!r} is no fact about the networks being matched "
                f"({known(self._network.facts)}); choose another [networks] type, such as 'real' for "
                "'accuracy', or leave it out"
            )
        return self._network.facts[name]

    def _with(
        self, network: Network, prepared: Tensors, drawn: Tensors, remembered: Tensors
    ) -> "NetworkView":
        return NetworkView(network, prepared, drawn, self.sweep, remembered=remembered, mapped=self.mapped)

    def logits(self, images: Images) -> Logits:
        """Logits (n, classes) of normalised images."""
        return self._network.logits(images)

    def features(self, images: Images) -> list[Tensor]:
        """Features of normalised images, one tensor (n, …) per layer from the first to the last.

        Raises:
            InputError: the network has no method ``features``.
        """
        return self._network.features(images)

    def maps(self, images: Images) -> list[Tensor]:
        """Feature maps of normalised images before pooling, one tensor (n, channels, …) per layer.

        Raises:
            InputError: the network has no method ``maps``.
        """
        return self._network.maps(images)

    def gradients(self, batch: Batch, names: Collection[str] | None = None) -> Weights:
        """Gradients of the mean cross-entropy with respect to weights.

        Args:
            batch: normalised images and labels. The gradients are differentiable with respect to the
                images if these require a gradient, and constants otherwise.
            names: which weights; all by default. Fewer are faster.

        Returns:
            Gradients by name of the weight.
        """
        chosen = self.weights if names is None else names

        def loss_at(weights: Weights) -> Tensor:
            return nn.functional.cross_entropy(self._network.logits(batch.images, weights), batch.labels)

        if self.mapped:
            return torch.func.grad(loss_at)({name: self.weights[name] for name in chosen})
        # torch.func is 1.3 to 1.5 times slower in eager mode.
        matched = {name: self.weights[name].detach().requires_grad_() for name in chosen}
        loss = loss_at(matched)
        differentiable = batch.images.requires_grad or batch.labels.requires_grad
        gradients = torch.autograd.grad(loss, tuple(matched.values()), create_graph=differentiable)
        return dict(zip(matched, gradients, strict=True))


def layer_of(features: list[Tensor], layer: int, field: str) -> Tensor:
    """One layer's features.

    Args:
        features: of every layer, from the first to the last before the logits.
        layer: index from 0, or negative from the last.
        field: the pipeline's key for `layer`, named in the message.

    Raises:
        InputError: there is no such layer.
    """
    if not -len(features) <= layer < len(features):
        raise InputError(
            f"{field}: {layer} is not a layer of this network; allowed are {-len(features)} to "
            f"{len(features) - 1}"
        )
    return features[layer]
