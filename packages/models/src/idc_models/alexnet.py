"""The condensation literature's AlexNet for small images."""

from typing import Literal, final

from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.layers import ChannelNorm, ConvLayer, LayeredNetwork
from idc_models.sizes import border, refuse_smaller


@final
class AlexNet(Model):
    """AlexNet's five convolutions without its strides and hidden linear layers (DC, section 4).

    The classifier's size depends on the image size; the public code has 28 and 32 pixels.
    """

    type: Literal["alexnet"] = "alexnet"
    norm: ChannelNorm = "none"
    """Normalisation after each convolution; ``batch`` is DC's AlexNetBN."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `LayeredNetwork` for such images; its features are the five convolutions, after any pooling.

        Raises:
            InputError: the images are too small.
        """
        padding = border(spec)
        refuse_smaller(spec, 8 - 2 * padding, self.type, "it halves them three times")
        height, width = ((side + 2 * padding) >> 3 for side in (spec.height, spec.width))
        layers = [
            ConvLayer(spec.channels, 128, 5, 2 + padding, self.norm, pool=True),
            ConvLayer(128, 192, 5, 2, self.norm, pool=True),
            ConvLayer(192, 256, 3, 1, self.norm),
            ConvLayer(256, 192, 3, 1, self.norm),
            ConvLayer(192, 192, 3, 1, self.norm, pool=True),
        ]
        return LayeredNetwork(layers, 192 * height * width, len(spec.classes))
