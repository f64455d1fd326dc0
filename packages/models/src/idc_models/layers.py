"""What the architectures are made of: normalisation, layers, and layers one after the other."""

from collections.abc import Iterable
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from idc.kinds import Images

ChannelNorm = Literal["instance", "batch", "none"]
Maps = Float[Tensor, "n _ _ _"]
"""Feature maps (n, channels, height, width)."""


def channel_norm(norm: ChannelNorm, channels: int) -> nn.Module:
    """A normalisation of each channel with affine weights.

    ``instance`` is over an image's pixels, in training and evaluation alike; ``batch`` is over those of the
    batch, with running statistics for evaluation; ``none`` is the identity.
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
        """(n, outputs, …) of (n, inputs, …)."""
        return self.pool(nn.functional.relu(self.norm(self.conv(images))))


class LinearLayer(nn.Module):
    """Linear layer with bias, and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, images: Float[Tensor, "n ..."]) -> Float[Tensor, "n _"]:
        """(n, outputs) of whatever has ``inputs`` numbers for each image."""
        return nn.functional.relu(self.linear(images.flatten(1)))


class LayeredNetwork(nn.Module):
    """Layers one after the other, and a linear classifier of the last one's output."""

    def __init__(self, layers: Iterable[nn.Module], inputs: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.classifier = nn.Linear(inputs, classes)

    def features(self, images: Images) -> list[Tensor]:
        """The output (n, …) of every layer before the classifier."""
        features: list[Tensor] = []
        signal: Tensor = images
        for layer in self.layers:
            signal = layer(signal)
            features.append(signal)
        return features

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        return self.classifier(self.features(images)[-1].flatten(1))
