"""The condensation literature's ConvNet: blocks of convolution, normalisation, activation and pooling."""

from collections.abc import Callable, Iterator
from typing import Annotated, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from idc.kinds import Images, ImageSpec, InputError, Model
from idc_models.layers import Maps, channel_norm
from idc_models.sizes import border

Norm = Literal["instance", "batch", "layer", "group", "none"]
Activation = Literal["relu", "sigmoid", "leaky-relu", "swish"]
Pooling = Literal["average", "max", "none"]

GROUPS = 4

ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": nn.functional.relu,
    "sigmoid": torch.sigmoid,
    "leaky-relu": nn.functional.leaky_relu,
    "swish": nn.functional.silu,
}


@final
class ConvNet(Model):
    """ConvNet-d (DC, section 4; the default network of IDC, DC, DSA and DM).

    DC's architecture search covers 720 of these networks: width 32, 64, 128 or 256, depth 1 to 4, every norm,
    every pooling and every activation except ``swish``.
    """

    type: Literal["convnet"] = "convnet"
    depth: Annotated[int, Field(ge=1)] = 3
    """Number of blocks; with pooling, each halves height and width."""
    width: Annotated[int, Field(ge=1)] = 128
    """Channels of every block."""
    norm: Norm = "instance"
    """Normalisation layer; ``group`` has four groups. Affine weights are per channel, for ``layer`` per
    element."""
    activation: Activation = "relu"
    """``leaky-relu`` has slope 0.01 below zero; ``swish`` is x times sigmoid(x)."""
    pooling: Pooling = "average"
    """Pooling over 2x2 pixels."""

    @model_validator(mode="after")
    def _whole_groups(self) -> "ConvNet":
        if self.norm == "group" and self.width % GROUPS:
            raise ValueError(
                f"norm 'group' splits the channels into {GROUPS} groups, but width {self.width} is not a "
                f"multiple of {GROUPS}; set another width, or norm = 'instance'"
            )
        return self

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `ConvNetModule` for such images.

        Raises:
            InputError: the images are too small for this depth.
        """
        deepest = min(spec.height + 2 * border(spec), spec.width + 2 * border(spec)).bit_length() - 1
        if self.pooling != "none" and self.depth > deepest:
            allowed = f"allowed are 1 to {deepest}" if deepest else "set model.pooling = 'none'"
            raise InputError(
                f"model.depth: {self.depth} blocks, each of which halves height and width, are too many for "
                f"{spec.height}x{spec.width} pixels; {allowed}"
            )
        return ConvNetModule(self, spec)


class ConvNetModule(nn.Module):
    """Blocks of 3x3 convolution, normalisation, activation and 2x2 pooling, and a linear layer."""

    def __init__(self, model: ConvNet, spec: ImageSpec) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[model.activation]
        self.pooling: Pooling = model.pooling
        width, padding = model.width, border(spec)
        self.padding = (padding,) * 4
        halvings = [0 if model.pooling == "none" else block for block in range(model.depth + 1)]
        *sides, last = (
            ((spec.height + 2 * padding) >> halving, (spec.width + 2 * padding) >> halving)
            for halving in halvings
        )
        # Named and ordered as in IDC's code, so that checkpoints can be compared.
        self.layers = nn.ModuleDict(
            {
                "conv": nn.ModuleList(
                    nn.Conv2d(width if block else spec.channels, width, 3, padding=1)
                    for block in range(model.depth)
                ),
                "norm": nn.ModuleList(_norm(model.norm, width, *side) for side in sides),
            }
        )
        self.classifier = nn.Linear(width * last[0] * last[1], len(spec.classes))

    def features(self, images: Images) -> list[Tensor]:
        """The output (n, width, …) of every block, after pooling."""
        return [pooled for _, pooled in self._blocks(images)]

    def maps(self, images: Images) -> list[Tensor]:
        """The feature maps (n, width, …) of every block, after the activation and before pooling."""
        return [maps for maps, _ in self._blocks(images)]

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        return self.classifier(self.features(images)[-1].flatten(1))

    def _blocks(self, images: Images) -> Iterator[tuple[Maps, Maps]]:
        convolutions, norms = self.layers["conv"], self.layers["norm"]
        assert isinstance(convolutions, nn.ModuleList)
        assert isinstance(norms, nn.ModuleList)
        # Not by the first convolution: with more than 1, its gradient takes oneDNN ten times as long.
        images = nn.functional.pad(images, self.padding)
        for convolution, norm in zip(convolutions, norms, strict=True):
            maps = self.activation(norm(convolution(images)))
            images = self._pool(maps)
            yield maps, images

    def _pool(self, maps: Maps) -> Maps:
        match self.pooling:
            case "average":
                return nn.functional.avg_pool2d(maps, 2)
            case "max":
                return nn.functional.max_pool2d(maps, 2)
            case "none":
                return maps


def _norm(norm: Norm, channels: int, height: int, width: int) -> nn.Module:
    match norm:
        case "layer":
            return nn.LayerNorm([channels, height, width])
        case "group":
            return nn.GroupNorm(GROUPS, channels)
        case _:
            return channel_norm(norm, channels)
