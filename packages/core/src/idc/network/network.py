"""Networks as functions of their weights, for unmodified modules."""

from collections.abc import Collection, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from idc.errors import InputError
from idc.runtime.execution import Operations, current_execution
from idc.seeding import Streams
from idc.shapes import Images, OptimizerState, Tensors

Weights = Tensors
Logits = Float[Tensor, "n classes"]


@runtime_checkable
class FeatureNetwork(Protocol):
    """A module with features by layer."""

    def features(self, images: Images) -> list[Tensor]:
        """One tensor (n, …) per layer, from the first to the last before the logits."""
        ...


@runtime_checkable
class MapNetwork(Protocol):
    """A module with feature maps before pooling, by layer."""

    def maps(self, images: Images) -> list[Tensor]:
        """One tensor (n, channels, …) per layer, from the first to the last before the logits."""
        ...


@dataclass(frozen=True, eq=False)
class Network:
    """A module and its state; the module's own parameters are never changed."""

    module: nn.Module
    streams: Streams
    """Random streams of its data order and augmentation."""
    weights: Weights
    buffers: Weights
    architecture: Hashable
    """Modules with equal keys compute the same function of weights, buffers and images."""
    optimizer: OptimizerState = field(default_factory=dict)
    """State of the optimizer of the weights: by buffer name a tensor for each weight; empty before the first
    training step."""
    optimizer_steps: int = 0
    """Steps since the optimizer's state was reset."""
    batches: int = 0
    """Training batches seen."""
    companions: dict[str, Weights] = field(default_factory=dict)
    """By name, weights and buffers of other networks of the same architecture, for objectives."""
    facts: Tensors = field(default_factory=dict)
    """By name, what is known about the network, for objectives: scalars such as ``accuracy``, in percent."""
    label: str = ""
    """Name of the architecture in messages."""

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
            module if architecture is None else architecture,
            label=type(module).__name__,
        )

    def with_state(self, state: Weights) -> "Network":
        """The network with other weights and buffers, from any device, and without optimizer state."""
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
        """The network without optimizer state, as before the first training step."""
        return replace(self, optimizer={}, optimizer_steps=0)

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

    def companion(self, name: str, place: str = "objective") -> "Network":
        """A companion as a network without companions of its own.

        Args:
            name: of the companion.
            place: the pipeline's key for it, named in the message.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.companions:
            raise InputError(
                f"{place}: {name!r} is no companion of the networks being matched "
                f"({known(self.companions)}); choose another [networks] type, such as 'between' for 'trained'"
            )
        return replace(self.with_state(self.companions[name]), companions={})

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
        return self._by_layer("features", "gradient", images)

    def maps(self, images: Images) -> list[Tensor]:
        """Feature maps of normalised images before pooling, one tensor (n, channels, …) per layer.

        Raises:
            InputError: the module has no method ``maps``.
        """
        return self._by_layer("maps", "feature", images)

    def _by_layer(self, method: str, instead: str, images: Images) -> list[Tensor]:
        """What a method of the module returns, which not every module has.

        Args:
            method: its name.
            instead: type of an objective that does without.
            images: normalised.
        """
        if not hasattr(self.module, method):
            raise InputError(
                f"model: {self.label} has no {method}(images), which this objective needs; choose another "
                f"model, such as convnet, or objective.type = {instead!r}"
            )
        state = {**self.weights, **self._copies()}
        prefixed = {f"network.{name}": tensor for name, tensor in state.items()}
        with current_execution().layers():
            return functional_call(_Calling(self.module, method), prefixed, (images,))

    def _copies(self) -> Weights:
        # Batch-norm layers update their running statistics in place.
        return {name: buffer.clone() for name, buffer in self.buffers.items()}


def known(names: Collection[str]) -> str:
    """Names as a clause of a message: ``known: a, b``."""
    return f"known: {', '.join(sorted(names)) or 'none'}"


class _Calling(nn.Module):
    """A method as `forward`, because functional_call calls nothing else."""

    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network = network
        self.method = method

    def forward(self, images: Tensor) -> list[Tensor]:
        return getattr(self.network, self.method)(images)
