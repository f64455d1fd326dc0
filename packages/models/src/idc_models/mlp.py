"""The condensation literature's multilayer perceptron."""

from typing import Annotated, Literal, final

from pydantic import Field
from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.layers import LayeredNetwork, LinearLayer


@final
class MLP(Model):
    """Linear layers with ReLU on the pixels; by default DC's two layers of 128 (section 4)."""

    type: Literal["mlp"] = "mlp"
    depth: Annotated[int, Field(ge=1)] = 2
    """Hidden layers."""
    width: Annotated[int, Field(ge=1)] = 128
    """Units of each hidden layer."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `LayeredNetwork` for such images; its features are the hidden layers, each (n, width).

        It has no convolution kernels: gradient matching needs ``objective.fc = true``.
        """
        pixels = spec.channels * spec.height * spec.width
        layers = [LinearLayer(self.width if layer else pixels, self.width) for layer in range(self.depth)]
        return LayeredNetwork(layers, self.width, len(spec.classes))
