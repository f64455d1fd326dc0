"""A small dataset, model and synset for checks."""

from typing import ClassVar, Literal, final

import torch
from torch import Tensor, nn

from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.kinds import Batch, ClassNumbers, Codes, Model, PixelDecoder, StoredImages
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.stages.datasets.digits import Digits
from idc.stages.decoders.raw import Raw
from idc.stages.initializers.random import Random
from idc.stages.networks.real import Real
from idc.stages.objectives.gradient import Gradient
from idc.stages.optimizers.sgd import SGD
from idc.synset.synset import Synset

SPEC = ImageSpec(
    channels=3, height=8, width=8, classes=("left", "right"), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)
)
"""Two classes of small colour images with values 0…1."""

STREAMS = Streams(0, ("check",))


def toy_split(per_class: int = 24, spec: ImageSpec = SPEC, seed: int = 0) -> Split:
    """uint8 images that a small network can learn: each class is brighter in its own columns."""
    classes = len(spec.classes)
    labels = torch.arange(classes).repeat_interleave(per_class)
    noise = torch.rand(classes * per_class, *spec.shape, generator=Streams(seed).generator("toy"))
    own = torch.arange(spec.width) * classes // spec.width == labels[:, None]
    pixels = 255 * (0.5 * noise + 0.5 * own[:, None, None, :])
    return Split(pixels.byte(), labels, spec)


@final
class ToyModel(Model):
    """A smooth network, so that second derivatives can be compared with finite differences."""

    type: Literal["toy"] = "toy"

    def build(self, spec: ImageSpec) -> nn.Module:
        """A `ToyNetwork`."""
        return ToyNetwork(spec)


@final
class Tinted(PixelDecoder):
    """Images plus an image that all classes share."""

    shared: ClassVar[frozenset[str]] = frozenset({"tint"})
    type: Literal["tinted"] = "tinted"

    def encode(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """The images, and a tint that changes nothing."""
        return {"images": images, "tint": torch.zeros(spec.shape)}

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        """The images with the tint."""
        return Batch(codes["images"] + codes["tint"], labels)


class ToyNetwork(nn.Module):
    """Two convolutions with softplus, pooling and a linear layer."""

    def __init__(self, spec: ImageSpec) -> None:
        super().__init__()
        self.first = nn.Conv2d(spec.channels, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.linear = nn.Linear(4, len(spec.classes))

    def features(self, images: Tensor) -> list[Tensor]:
        """The output of each convolution."""
        first = nn.functional.softplus(self.first(images))
        return [first, nn.functional.softplus(self.second(first))]

    def maps(self, images: Tensor) -> list[Tensor]:
        """The same, as there is no pooling between them."""
        return self.features(images)

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        return self.linear(self.features(images)[-1].mean((2, 3)))


def toy_synset(data: RealData | None = None) -> tuple[Synset, RealData]:
    """A small synset of real images and its dataset, for `check_evaluator`."""
    data = data or RealData(toy_split(), toy_split(seed=1))
    pipeline = _toy_pipeline()
    codes = pipeline.init.codes(
        pipeline.decoder, pipeline.images_per_class, data.train, pipeline.model, STREAMS
    )
    fingerprint = data.train.fingerprint()
    return Synset.of(pipeline, codes, data.spec, iterations=0, fingerprint=fingerprint), data


def _toy_pipeline() -> Pipeline:
    return Pipeline(
        images_per_class=2,
        iterations=0,
        dataset=Digits(),
        model=ToyModel(),
        init=Random(),
        decoder=Raw(),
        objective=Gradient(),
        networks=Real(),
        optimizer=SGD(learning_rate=1.0),
    )
