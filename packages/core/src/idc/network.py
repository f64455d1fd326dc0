"""Networks as functions of their weights, for unmodified modules."""

from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from idc.errors import InputError
from idc.runtime.execution import Operations, current_execution
from idc.seeding import Streams
from idc.shapes import Batch, Images, Tensors

Weights = Tensors
Logits = Float[Tensor, "n classes"]


@runtime_checkable
class FeatureNetwork(Protocol):
    """A module with features by layer."""

    def features(self, images: Images) -> list[Tensor]:
        """One tensor (n, …) per layer, from the first to the last before the logits."""
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """A module and its state; the module's own parameters are never changed."""

    module: nn.Module
    streams: Streams
    """Random streams of its data order and augmentation."""
    weights: Weights
    buffers: Weights
    velocity: Weights
    """Momentum buffers of the weights; zero before the first training step."""
    architecture: Hashable
    """Modules with equal keys compute the same function of weights, buffers and images."""
    batches: int = 0
    """Training batches seen."""

    @classmethod
    def of(
        cls,
        module: nn.Module,
        streams: Streams,
        device: torch.device | None = None,
        architecture: Hashable = None,
    ) -> "Network":
        """A network with a copy of a module's current weights and buffers, in training mode.

        Args:
            module: an unmodified module.
            streams: the network's own.
            device: the module's by default.
            architecture: see the attribute; by default shared with no other module.
        """
        module = module.to(device).train()
        weights = {name: weight.detach().clone() for name, weight in module.named_parameters()}
        return cls(
            module,
            streams,
            weights,
            {name: buffer.detach().clone() for name, buffer in module.named_buffers()},
            {name: torch.zeros_like(weight) for name, weight in weights.items()},
            module if architecture is None else architecture,
        )

    def with_state(self, state: Weights) -> "Network":
        """The network with other weights and buffers, from any device, and without momentum."""
        moved = {name: state[name].to(tensor) for name, tensor in {**self.weights, **self.buffers}.items()}
        return replace(
            self,
            weights={name: moved[name] for name in self.weights},
            buffers={name: moved[name] for name in self.buffers},
        ).at_rest()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Switch the module to evaluation mode within the block."""
        self.module.eval()
        try:
            yield
        finally:
            self.module.train()

    def at_rest(self) -> "Network":
        """The network without momentum."""
        return replace(self, velocity={name: torch.zeros_like(v) for name, v in self.velocity.items()})

    @torch.no_grad()
    def operations(self, shape: tuple[int, ...]) -> float:
        """Floating-point operations of convolutions and linear layers in a forward pass of one image.

        Args:
            shape: (channels, height, width).
        """
        weight = next(iter(self.weights.values()))
        with self.evaluating(), Operations() as counted:
            self.logits(torch.zeros(1, *shape, dtype=weight.dtype, device=weight.device))
        return counted.number

    def logits(
        self, images: Images, weights: Weights | None = None, buffers: Weights | None = None
    ) -> Logits:
        """Logits of normalised images; batch-norm layers update ``buffers`` in place, if given."""
        state = {**self.weights, **(weights or {}), **(buffers if buffers is not None else self._copies())}
        with current_execution().layers():
            return functional_call(self.module, state, (images,))

    def features(self, images: Images) -> list[Tensor]:
        """Features of normalised images, one tensor per layer.

        Raises:
            InputError: the module has no method ``features``.
        """
        if not isinstance(self.module, FeatureNetwork):
            raise InputError(
                f"model: {type(self.module).__name__} has no features(images), which this objective needs; "
                "choose another model or match gradients"
            )
        state = {**self.weights, **self._copies()}
        prefixed = {f"network.{name}": tensor for name, tensor in state.items()}
        with current_execution().layers():
            return functional_call(_Features(self.module), prefixed, (images,))

    def _copies(self) -> Weights:
        # Batch-norm layers update their running statistics in place.
        return {name: buffer.clone() for name, buffer in self.buffers.items()}


class NetworkView:
    """The network being matched, as an objective sees it.

    Args:
        network: with constant weights.
        prepared: what `Objective.prepare` returned.
        mapped: whether it is used within ``torch.func.vmap``, where autograd must be torch.func's.
    """

    def __init__(self, network: Network, prepared: Tensors | None = None, *, mapped: bool = False) -> None:
        self._network = network
        self.mapped = mapped
        """Whether it is used within ``torch.func.vmap``."""
        self.weights: Weights = network.weights
        """The network's weights by name, as constants."""
        self.prepared: Tensors = prepared or {}
        """What `Objective.prepare` returned: constants, computed or drawn once per run."""

    def logits(self, images: Images) -> Logits:
        """Logits (n, classes) of normalised images."""
        return self._network.logits(images)

    def features(self, images: Images) -> list[Tensor]:
        """Features of normalised images, one tensor (n, …) per layer from the first to the last.

        Raises:
            InputError: the network has no method ``features``.
        """
        return self._network.features(images)

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


class _Features(nn.Module):
    """Features as `forward`, because functional_call calls nothing else."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        return cast(FeatureNetwork, self.network).features(images)
