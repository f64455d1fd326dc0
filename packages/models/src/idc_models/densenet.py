"""DenseNet for small images, used for IDC's evaluation."""

from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.layers import LayeredNetwork, Maps
from idc_models.sizes import refuse_smaller


@final
class DenseNet(Model):
    """DenseNet-BC: bottlenecks of four times the growth rate, and compression by half between blocks.

    The default is DenseNet-121 with growth rate 12, as in IDC's evaluation on CIFAR-10 (IDC, section 5; Huang
    et al., "Densely Connected Convolutional Networks", CVPR 2017).
    """

    type: Literal["densenet"] = "densenet"
    growth: Annotated[int, Field(ge=1)] = 12
    """Growth rate: channels added by each layer."""
    blocks: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (6, 12, 24, 16)
    """Layers of each dense block; height and width are halved between blocks."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `LayeredNetwork` for such images.

        Its features are the first convolution, every dense block with its transition (the last with
        normalisation and ReLU), and the global average (n, channels).

        Raises:
            InputError: the images are too small: the last block would normalise single pixels.
        """
        halvings = len(self.blocks) - 1
        refuse_smaller(
            spec, 2 << halvings, self.type, f"{halvings} halvings must leave 2x2 pixels to normalise"
        )
        channels = 2 * self.growth
        layers: list[nn.Module] = [nn.Conv2d(spec.channels, channels, 3, padding=1, bias=False)]
        for block, count in enumerate(self.blocks):
            parts: list[nn.Module] = [
                DenseLayer(channels + layer * self.growth, self.growth) for layer in range(count)
            ]
            channels += count * self.growth
            if block < halvings:
                parts += [
                    *_activated(channels),
                    nn.Conv2d(channels, channels // 2, 1, bias=False),
                    nn.AvgPool2d(2),
                ]
                channels //= 2
            else:
                parts += _activated(channels)
            layers.append(nn.Sequential(*parts))
        layers.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        return LayeredNetwork(layers, channels, len(spec.classes))


class DenseLayer(nn.Module):
    """Batch norm, ReLU, 1x1 convolution to 4 * growth channels; batch norm, ReLU, 3x3 to growth channels."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.added = nn.Sequential(
            *_activated(inputs),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            *_activated(4 * growth),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, images: Maps) -> Maps:
        """The input's channels, followed by the added ones."""
        return torch.cat([images, self.added(images)], dim=1)


def _activated(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]
