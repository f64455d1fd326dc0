"""The condensation literature's VGG-11 for small images."""

from typing import Literal, final

from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.layers import ChannelNorm, ConvLayer, LayeredNetwork
from idc_models.sizes import border, refuse_smaller

LAYERS = (
    (64, True),
    (128, True),
    (256, False),
    (256, True),
    (512, False),
    (512, True),
    (512, False),
    (512, True),
)
"""Channels of each convolution, and whether pooling follows."""


@final
class VGG11(Model):
    """VGG-11's eight 3x3 convolutions without its hidden linear layers (DC, section 4).

    The classifier's size depends on the image size; the public code has 28 and 32 pixels.
    """

    type: Literal["vgg11"] = "vgg11"
    norm: ChannelNorm = "instance"
    """Normalisation after each convolution; ``batch`` is DC's VGG11BN."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `LayeredNetwork` for such images; its features are the eight convolutions, after any pooling.

        Raises:
            InputError: the images are too small.
        """
        padding = border(spec)
        refuse_smaller(spec, 32 - 2 * padding, self.type, "it halves them five times")
        height, width = ((side + 2 * padding) >> 5 for side in (spec.height, spec.width))
        inputs = (spec.channels, *(channels for channels, _ in LAYERS))
        layers = [
            ConvLayer(inputs[layer], channels, 3, 1 if layer else 1 + padding, self.norm, pool)
            for layer, (channels, pool) in enumerate(LAYERS)
        ]
        return LayeredNetwork(layers, 512 * height * width, len(spec.classes))
