"""The condensation literature's ConvNet: blocks of convolution, normalisation, ReLU and average pooling."""

from typing import Annotated, Literal, final

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from idc.errors import InputError
from idc.kinds import Model
from idc.shapes import Images
from idc.spec import ImageSpec


@final
class ConvNet(Model):
    """ConvNet-d (DC, section 4; the default network of IDC, DC, DSA and DM)."""

    type: Literal["convnet"] = "convnet"
    depth: Annotated[int, Field(ge=1)] = 3
    """Blocks; each halves height and width."""
    width: Annotated[int, Field(ge=1)] = 128
    """Channels of every block."""

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `ConvNetModule` for such images.

        Raises:
            InputError: the images are too small for so many blocks.
        """
        # The public code widens one-channel images by four pixels, so that 28 become 32.
        padding = 3 if spec.channels == 1 else 1
        height, width = (side + 2 * padding - 2 for side in (spec.height, spec.width))
        last = (height >> self.depth, width >> self.depth)
        if min(last) < 1:
            raise InputError(
                f"model.depth: {self.depth} blocks halve {spec.height}x{spec.width} pixels to nothing; "
                f"allowed are 1 to {min(height, width).bit_length() - 1}"
            )
        return ConvNetModule(spec.channels, self.width, self.depth, padding, last, len(spec.classes))


class ConvNetModule(nn.Module):
    """Blocks of 3x3 convolution, instance normalisation, ReLU and 2x2 average pooling, and a linear layer."""

    def __init__(
        self, channels: int, width: int, depth: int, padding: int, last: tuple[int, int], classes: int
    ) -> None:
        super().__init__()
        # Named and ordered as in IDC's code, so that its checkpoints and counts can be compared.
        self.layers = nn.ModuleDict(
            {
                "conv": nn.ModuleList(
                    nn.Conv2d(width if block else channels, width, 3, padding=1 if block else padding)
                    for block in range(depth)
                ),
                "norm": nn.ModuleList(nn.GroupNorm(width, width) for _ in range(depth)),
            }
        )
        self.classifier = nn.Linear(width * last[0] * last[1], classes)

    def features(self, images: Images) -> list[Tensor]:
        """The output (n, width, …) of every block, after pooling."""
        convolutions, norms = self.layers["conv"], self.layers["norm"]
        assert isinstance(convolutions, nn.ModuleList)
        assert isinstance(norms, nn.ModuleList)
        features: list[Tensor] = []
        for convolution, norm in zip(convolutions, norms, strict=True):
            images = nn.functional.avg_pool2d(nn.functional.relu(norm(convolution(images))), 2)
            features.append(images)
        return features

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        return self.classifier(self.features(images)[-1].flatten(1))
