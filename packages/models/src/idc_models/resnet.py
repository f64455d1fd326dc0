"""The condensation literature's residual networks: IDC's ResNet and ResNetAP, and DC's ResNet-18."""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field
from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.residual import Halving, Norm, ResidualNetwork, Stem
from idc_models.sizes import refuse_smaller

Depth = Literal[10, 18]
BLOCKS: dict[Depth, int] = {10: 1, 18: 2}
"""Depth → basic blocks in each of the four stages."""

Width = Annotated[float, Field(ge=1 / 64)]


class IDCResNet(Model):
    """Base class of IDC's ResNets.

    Convolutions have Kaiming normal initial weights with fan-out: variance 2 / (kernel pixels * output
    channels).
    """

    halving: ClassVar[Halving]

    depth: Depth = 10
    """Number of layers: one or two blocks in each of the four stages."""
    width: Width = 1.0
    """Factor of the channels 64, 128, 256 and 512; IDC uses 0.5 for CIFAR-10 and CIFAR-100."""
    norm: Norm = "instance"
    """Normalisation layer; IDC evaluates ``resnet`` with ``batch``."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `ResidualNetwork` for such images; its features are IDC's 0 to 5.

        Raises:
            InputError: the images are too small: the last stage would normalise single pixels.
        """
        side, average = max(spec.height, spec.width), self.halving == "average"
        if side <= 64:
            shrunk, kernel, stride, pool = 1, 3, 1, None
        elif side <= 128:
            shrunk, kernel, stride, pool = 2, 3, 1, nn.AvgPool2d(2) if average else nn.MaxPool2d(3, 2, 1)
        else:
            shrunk, kernel = 4, 7
            stride, pool = (1, nn.AvgPool2d(4)) if average else (2, nn.MaxPool2d(3, 2, 1))
        _refuse_single_pixels(spec, self.type, self.halving, shrunk)
        width = int(64 * self.width)
        stem = Stem(spec.channels, width, self.norm, kernel, stride, pool)
        network = ResidualNetwork(stem, width, BLOCKS[self.depth], self.norm, self.halving, len(spec.classes))
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        return network


@final
class ResNet(IDCResNet):
    """ResNet with basic blocks, downsampling by strides (IDC, section 5; He et al., CVPR 2016).

    For a longer side of up to 64 pixels, the stem is a 3x3 convolution; up to 128, 3x3 max pooling with
    stride 2 follows; above that, the stem is a 7x7 convolution with stride 2 and the same pooling.
    """

    halving = "stride"

    type: Literal["resnet"] = "resnet"


@final
class ResNetAP(IDCResNet):
    """ResNet with 2x2 average pooling instead of strides (IDC, section 5, on ImageNet).

    For a longer side of up to 64 pixels, the stem is a 3x3 convolution; up to 128, 2x2 average pooling
    follows; above that, the stem is a 7x7 convolution and 4x4 average pooling.
    """

    halving = "average"

    type: Literal["resnet-ap"] = "resnet-ap"


@final
class DCResNet(Model):
    """DC's ResNet-18 (section 4): always a 3x3 stem without pooling, with torch's initial weights."""

    type: Literal["dc-resnet"] = "dc-resnet"
    norm: Norm = "instance"
    """Normalisation layer; ``batch`` is DC's ResNet18BN."""
    halving: Halving = "stride"
    """Downsampling; ``average`` is DC's ResNet18_AP: 2x2 average pooling instead of strides, and no global
    average before the linear layer."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `ResidualNetwork` for such images.

        Raises:
            InputError: the images are too small: the last stage would normalise single pixels.
        """
        _refuse_single_pixels(spec, self.type, self.halving, shrunk=1)
        last = None if self.halving == "stride" else (spec.height // 8, spec.width // 8)
        stem = Stem(spec.channels, 64, self.norm)
        return ResidualNetwork(stem, 64, 2, self.norm, self.halving, len(spec.classes), last)


def _refuse_single_pixels(spec: ImageSpec, name: str, halving: Halving, shrunk: int) -> None:
    # Strides round up, averages down.
    least = 8 * shrunk + 1 if halving == "stride" else 16 * shrunk
    because = f"after downsampling by {8 * shrunk} at least 2x2 pixels must remain to normalise"
    refuse_smaller(spec, least, name, because)
