"""The condensation literature's residual networks: IDC's ResNet and ResNetAP, and DC's ResNet-18."""

from typing import Annotated, ClassVar, Literal, final

from pydantic import Field
from torch import nn

from idc.kinds import ImageSpec, Model
from idc_models.residual import Halving, Norm, ResidualNetwork, Stem
from idc_models.sizes import refuse_smaller

Depth = Literal[10, 18]
BLOCKS: dict[Depth, int] = {10: 1, 18: 2}
"""Basic blocks in each of the four stages."""

Width = Annotated[float, Field(ge=1 / 64)]


class IDCResNet(Model):
    """Base of IDC's ResNets.

    Convolutions begin normal with variance 2 / (kernel pixels * output channels).
    """

    halving: ClassVar[Halving]

    depth: Depth = 10
    """Layers: one or two blocks in each of the four stages."""
    width: Width = 1.0
    """Factor of the channels 64, 128, 256, 512; 0.5 is what IDC uses for CIFAR-10 and CIFAR-100."""
    norm: Norm = "instance"
    """What is normalised together: an image's channel or the batch's, with which IDC evaluates ``resnet``."""

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
    """ResNet with basic blocks that halves by strides (IDC, section 5; He et al., CVPR 2016).

    Up to 64 pixels on the longer side, the first convolution is 3x3; up to 128 it is followed by 3x3 max
    pooling with stride 2; above that it is 7x7 with stride 2, followed by the same.
    """

    halving = "stride"

    type: Literal["resnet"] = "resnet"


@final
class ResNetAP(IDCResNet):
    """ResNet that averages 2x2 pixels where others have strides (IDC, section 5, on ImageNet).

    Up to 64 pixels on the longer side, the first convolution is 3x3; up to 128 it is followed by 2x2 average
    pooling; above that it is 7x7, followed by 4x4 average pooling.
    """

    halving = "average"

    type: Literal["resnet-ap"] = "resnet-ap"


@final
class DCResNet(Model):
    """ResNet-18 as DC has it (section 4): always a 3x3 stem without pooling, torch's initial weights."""

    type: Literal["dc-resnet"] = "dc-resnet"
    norm: Norm = "instance"
    """``batch`` is DC's ResNet18BN."""
    halving: Halving = "stride"
    """``average`` is DC's ResNet18_AP: 2x2 averages instead of strides, and a linear layer that sees the last
    stage's pixels rather than their average."""

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
    refuse_smaller(spec, least, name, f"shrunk {8 * shrunk}-fold they must leave 2x2 pixels to normalise")
