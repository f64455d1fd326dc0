"""The condensation literature's LeNet."""

from typing import Literal, final

from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.layers import ConvLayer, LayeredNetwork, LinearLayer
from idc_models.sizes import border, refuse_smaller


@final
class LeNet(Model):
    """LeNet-5 with ReLU and max pooling (DC, section 4).

    Two 5x5 convolutions to 6 and 16 channels, each with 2x2 max pooling, and linear layers of 120 and 84.
    The first linear layer's size depends on the image size; the public code has 28 and 32 pixels.
    """

    type: Literal["lenet"] = "lenet"

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `LayeredNetwork` for such images; its features are the pooled convolutions and the linear layers.

        Raises:
            InputError: the images are too small.
        """
        padding = border(spec)
        refuse_smaller(
            spec, 16 - 2 * padding, self.type, "two 5x5 convolutions and poolings must leave one pixel"
        )
        height, width = (((side + 2 * padding - 4) // 2 - 4) // 2 for side in (spec.height, spec.width))
        layers = [
            ConvLayer(spec.channels, 6, kernel=5, padding=padding, pool=True),
            ConvLayer(6, 16, kernel=5, padding=0, pool=True),
            LinearLayer(16 * height * width, 120),
            LinearLayer(120, 84),
        ]
        return LayeredNetwork(layers, 84, len(spec.classes))
