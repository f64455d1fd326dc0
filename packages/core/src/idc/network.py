"""Networks as functions of their weights, over unmodified modules."""

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
    """A module that gives its features layer by layer."""

    def features(self, images: Images) -> list[Tensor]:
        """One tensor (n, …) per layer, from the first layer to the last before the logits."""
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """A module and the numbers it is used with; the module's own parameters are never changed."""

    module: nn.Module
    streams: Streams
    """Where the order of its training data and their augmentation come from."""
    weights: Weights
    buffers: Weights
    velocity: Weights
    """Momentum buffers of the weights; zero before the first training step."""
    architecture: Hashable
    """What the module computes as a function of weights, buffers and images: equal ones compute the same."""
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
        """A module's present weights and buffers, copied, in training mode.

        Args:
            module: an unmodified module.
            streams: the network's own.
            device: to compute on; where the module is by default.
            architecture: what it computes; by default something that this one module alone computes.
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
        """The network with other weights and buffers, from any device; momentum is cleared."""
        moved = {name: state[name].to(tensor) for name, tensor in {**self.weights, **self.buffers}.items()}
        return replace(
            self,
            weights={name: moved[name] for name in self.weights},
            buffers={name: moved[name] for name in self.buffers},
        ).at_rest()

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The module in evaluation mode within the block."""
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
        """Floating-point operations of the convolutions and linear layers for one image, forwards.

        Args:
            shape: (channels, height, width).
        """
        some = next(iter(self.weights.values()))
        with self.evaluating(), Operations() as counted:
            self.logits(torch.zeros(1, *shape, dtype=some.dtype, device=some.device))
        return counted.number

    def logits(
        self, images: Images, weights: Weights | None = None, buffers: Weights | None = None
    ) -> Logits:
        """Logits of normalised images; statistics that layers track are written to ``buffers`` if given."""
        state = {**self.weights, **(weights or {}), **(buffers if buffers is not None else self._copies())}
        with current_execution().layers():
            return functional_call(self.module, state, (images,))

    def features(self, images: Images) -> list[Tensor]:
        """Features of normalised images, one tensor per layer.

        Raises:
            InputError: the module does not offer them.
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
        # A batch-norm layer writes its running statistics while it computes.
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
            InputError: the network does not offer them.
        """
        return self._network.features(images)

    def gradients(self, batch: Batch, names: Collection[str] | None = None) -> Weights:
        """Gradients of the mean cross-entropy with respect to weights.

        Args:
            batch: normalised images and labels. The gradients are differentiable with respect to the
                images if these require a gradient, and constants otherwise.
            names: which weights; all by default. Fewer cost less.

        Returns:
            Gradients by the weights' names.
        """
        chosen = self.weights if names is None else names

        def loss_at(weights: Weights) -> Tensor:
            return nn.functional.cross_entropy(self._network.logits(batch.images, weights), batch.labels)

        if self.mapped:
            return torch.func.grad(loss_at)({name: self.weights[name] for name in chosen})
        # Not torch.func here, which is 1.3 to 1.5 times slower when nothing is compiled.
        matched = {name: self.weights[name].detach().requires_grad_() for name in chosen}
        loss = loss_at(matched)
        gradients = torch.autograd.grad(
            loss, tuple(matched.values()), create_graph=batch.images.requires_grad
        )
        return dict(zip(matched, gradients, strict=True))


def layer_of(features: list[Tensor], layer: int, field: str) -> Tensor:
    """One layer's features.

    Args:
        features: of every layer, from the first to the last before the logits.
        layer: counted from 0, or from -1 for the last.
        field: says in the message where the number was given.

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
    """functional_call only calls forward."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> list[Tensor]:
        return cast(FeatureNetwork, self.network).features(images)
