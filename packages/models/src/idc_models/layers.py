"""Building blocks of the architectures."""

from collections.abc import Iterable
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from idc.kinds import Images

ChannelNorm = Literal["instance", "batch", "none"]
Maps = Float[Tensor, "n _ _ _"]
"""Feature maps (n, channels, height, width)."""


def channel_norm(norm: ChannelNorm, channels: int) -> nn.Module:
    """A normalisation of each channel, with affine weights.

    ``instance`` normalises over an image's pixels, in training and evaluation; ``batch`` over the batch, with
    running statistics in evaluation; ``none`` is the identity.
    """
    match norm:
        case "instance":
            return nn.GroupNorm(channels, channels)
        case "batch":
            return nn.BatchNorm2d(channels)
        case "none":
            return nn.Identity()


class ConvLayer(nn.Module):
    """Convolution with bias, normalisation, ReLU and, if ``pool``, 2x2 max pooling."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        padding: int,
        norm: ChannelNorm = "none",
        pool: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=padding)
        self.norm = channel_norm(norm, outputs)
        self.pool = nn.MaxPool2d(2) if pool else nn.Identity()

    def forward(self, images: Maps) -> Maps:
        """From (n, inputs, …) to (n, outputs, …)."""
        return self.pool(nn.functional.relu(self.norm(self.conv(images))))


class LinearLayer(nn.Module):
    """Linear layer with bias, and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, images: Float[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """From (n, …) with ``inputs`` values per image to (n, outputs)."""
        return nn.functional.relu(self.linear(images.flatten(1)))


class LayeredNetwork(nn.Module):
    """A sequence of layers, and a linear classifier."""

    def __init__(self, layers: Iterable[nn.Module], inputs: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.classifier = nn.Linear(inputs, classes)

    def features(self, images: Images) -> list[Tensor]:
        """The output (n, …) of every layer before the classifier."""
        features: list[Tensor] = []
        output: Tensor = images
        for layer in self.layers:
            output = layer(output)
            features.append(output)
        return features

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        return self.classifier(self.features(images)[-1].flatten(1))
