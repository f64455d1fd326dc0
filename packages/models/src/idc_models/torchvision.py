"""Torchvision's networks, by name."""

from difflib import get_close_matches
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.func import functional_call
from torchvision import models

from idc.kinds import Images, ImageSpec, InputError, Model

RESERVED_ARGUMENTS = ("weights", "weights_backbone", "progress", "num_classes")
"""Arguments that users cannot set: nothing is downloaded, and the dataset has the number of classes."""

DEFAULTS: dict[str, dict[str, Any]] = {
    name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")
}
"""Arguments without which a network returns more than logits, or warns."""


@final
class Torchvision(Model):
    """A classification network of ``torchvision.models`` with random initial weights.

    ``type = "torchvision"``, ``name = "resnet18"``, ``arguments = {zero_init_residual = true}``. The last
    layer has one output per class. All networks have three input channels; one-channel images are repeated.

    Gradient matching needs second derivatives, which torch does not implement for all networks (not for
    ``mobilenet_v3_small``, for example). Training and evaluation work with all of them.
    """

    type: Literal["torchvision"] = "torchvision"
    name: str
    """Name of the function in ``torchvision.models``."""
    arguments: dict[str, Any] = Field(default={})
    """Keyword arguments of the function, such as ``{image_size = 32, patch_size = 4}`` for a vision
    transformer."""

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        known = models.list_models(module=models)
        if name not in known:
            close = get_close_matches(name, known, n=1)
            suggestion = f"did you mean {close[0]!r}?" if close else "choose one such as 'resnet18'"
            raise ValueError(f"{name!r} is not a classification network of torchvision.models; {suggestion}")
        return name

    @field_validator("arguments")
    @classmethod
    def _not_reserved(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        refused = ", ".join(name for name in RESERVED_ARGUMENTS if name in arguments)
        if refused:
            raise ValueError(
                f"{refused} cannot be set: weights are never downloaded, and the dataset determines the "
                "number of classes; remove it"
            )
        return arguments

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `TorchvisionModule` for such images.

        Raises:
            InputError: the network does not accept images of this size, the images have neither 1 nor 3
                channels, or an argument is unknown.
        """
        return _build(self.name, self.arguments, spec)


@final
class EfficientNet(Model):
    """EfficientNet-B0, used for IDC's evaluation on ImageNet (IDC, section 5).

    Torchvision's ``efficientnet_b0``, with dropout and stochastic depth (Tan and Le, ICML 2019).
    """

    type: Literal["efficientnet"] = "efficientnet"

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `TorchvisionModule` for such images; one-channel images are repeated three times.

        Raises:
            InputError: the images have neither 1 nor 3 channels.
        """
        return _build("efficientnet_b0", {}, spec)


class TorchvisionModule(nn.Module):
    """A network of torchvision that also accepts greyscale images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def features(self, images: Images) -> list[Tensor]:
        """One tensor (n, …): the input of the last layer with weights.

        Usually these are pooled features, after dropout in training mode.
        """
        captured: list[Tensor] = []
        *_, last = (
            layer for layer in self.network.modules() if any(True for _ in layer.parameters(recurse=False))
        )
        hook = last.register_forward_pre_hook(lambda _, inputs: captured.append(inputs[0]))
        try:
            self.forward(images)
        finally:
            hook.remove()
        return captured

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        return self.network(images.expand(-1, 3, -1, -1))


def _build(name: str, arguments: dict[str, Any], spec: ImageSpec) -> TorchvisionModule:
    if spec.channels not in (1, 3):
        raise InputError(
            f"model: torchvision's networks need images with 1 or 3 channels; these have {spec.channels}; "
            "choose another model such as 'convnet'"
        )
    complete = {**DEFAULTS.get(name, {}), **arguments, "weights": None, "num_classes": len(spec.classes)}
    try:
        network = _construct(name, complete)
    except (TypeError, ValueError) as error:
        raise InputError(f"model.arguments: {name} does not accept {arguments}: {error}") from error
    _refuse_unfit(network, name, spec)
    return TorchvisionModule(network)


def _construct(name: str, arguments: dict[str, Any]) -> nn.Module:
    try:
        return models.get_model(name, **arguments)
    except NotImplementedError:
        # RegNets compute their widths with tensors, which fails on the meta device.
        with torch.device("cpu"):
            return models.get_model(name, **arguments).to("meta")


def _refuse_unfit(network: nn.Module, name: str, spec: ImageSpec) -> None:
    # A forward pass on the meta device is cheap. Two images, because batch norm refuses a single one whose
    # feature maps are one pixel.
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: torch.empty_like(tensor, device="meta") for name, tensor in state.items()}
    images = torch.empty(2, 3, spec.height, spec.width, device="meta")
    try:
        logits = functional_call(network, shapes, (images,))
    except (RuntimeError, ValueError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f"model: {name} does not accept images of {spec.height}x{spec.width} pixels: {reason}; "
            "choose another size or network, or set the size in model.arguments (image_size for transformers)"
        ) from error
    if not (isinstance(logits, Tensor) and logits.shape == (2, len(spec.classes))):
        raise InputError(f"model.arguments: {name} returns more than logits; remove aux_logits")
