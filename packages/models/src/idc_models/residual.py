"""Residual networks of basic blocks, downsampling by strides or by average pooling."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from idc.kinds import Images
from idc_models.layers import Maps, channel_norm

Norm = Literal["instance", "batch"]
Halving = Literal["stride", "average"]


class Stem(nn.Module):
    """The first layer: convolution without bias, normalisation, ReLU and pooling."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        norm: Norm,
        kernel: int = 3,
        stride: int = 1,
        pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = channel_norm(norm, outputs)
        self.pool = pool or nn.Identity()

    def forward(self, images: Maps) -> Maps:
        """From (n, inputs, …) to (n, outputs, …)."""
        return self.pool(nn.functional.relu(self.bn1(self.conv1(images))))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; ``halving`` halves height and width at the first convolution.

    With average pooling, the shortcut is a 1x1 convolution, pooling, then normalisation.
    """

    def __init__(self, inputs: int, outputs: int, norm: Norm, halving: Halving | None) -> None:
        super().__init__()
        stride = 2 if halving == "stride" else 1
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = channel_norm(norm, outputs)
        self.pool = nn.AvgPool2d(2) if halving == "average" else nn.Identity()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = channel_norm(norm, outputs)
        self.downsample = nn.Identity()
        if halving:
            pooling = [nn.AvgPool2d(2)] if halving == "average" else []
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, *pooling, channel_norm(norm, outputs))

    def forward(self, images: Maps) -> Maps:
        """From (n, inputs, …) to (n, outputs, …)."""
        inner = self.pool(nn.functional.relu(self.bn1(self.conv1(images))))
        return nn.functional.relu(self.bn2(self.conv2(inner)) + self.downsample(images))


class ResidualNetwork(nn.Module):
    """A stem, four stages of basic blocks with ``width`` to ``8 * width`` channels, and a linear layer.

    Stages 2 to 4 halve height and width. The linear layer follows a global average or, if ``last`` is given,
    the flattened output of the last stage, of that (height, width).
    """

    def __init__(
        self,
        stem: Stem,
        width: int,
        blocks: int,
        norm: Norm,
        halving: Halving,
        classes: int,
        last: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()

        def stage(inputs: int, outputs: int, first: Halving | None) -> nn.Sequential:
            rest = (BasicBlock(outputs, outputs, norm, None) for _ in range(blocks - 1))
            return nn.Sequential(BasicBlock(inputs, outputs, norm, first), *rest)

        # Named as in IDC's code, so that checkpoints can be compared.
        self.layer0 = stem
        self.layer1 = stage(width, width, None)
        self.layer2 = stage(width, 2 * width, halving)
        self.layer3 = stage(2 * width, 4 * width, halving)
        self.layer4 = stage(4 * width, 8 * width, halving)
        self.averages = last is None
        height, breadth = last or (1, 1)
        self.fc = nn.Linear(8 * width * height * breadth, classes)

    def features(self, images: Images) -> list[Tensor]:
        """The stem, the four stages and, if there is one, the global average (n, 8 * width)."""
        features: list[Tensor] = []
        for layer in (self.layer0, self.layer1, self.layer2, self.layer3, self.layer4):
            images = layer(images)
            features.append(images)
        return [*features, images.mean((2, 3))] if self.averages else features

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        return self.fc(self.features(images)[-1].flatten(1))
