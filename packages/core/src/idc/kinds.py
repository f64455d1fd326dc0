"""The nine kinds of stage: each is one table of the pipeline and one axis of the field.

`Decoder` and `Objective` are the stable plugin surface. The others are provisional: their methods may gain
arguments before 1.0. An implementation is a final class in the kind's entry-point group, with
``type: Literal["name"] = "name"`` and its other fields as the TOML keys.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from idc.stage import Stage

if TYPE_CHECKING:
    from torch import Generator, nn

    from idc.data import RealData, Split
    from idc.network import Network, NetworkView
    from idc.report import Evaluation
    from idc.seeding import Streams
    from idc.shapes import Batch, Codes, Draw, Images, Indices, Labels, Scalar, StoredImages
    from idc.spec import ImageSpec
    from idc.synset import Synset


class Dataset(Stage):
    """Real data: a training split to condense and a test split to score on."""

    group: ClassVar[str] = "idc.datasets"

    @abstractmethod
    def load(self, root: Path) -> "RealData":
        """Read the data.

        Args:
            root: the folder that ``--data`` names; paths in the table are relative to it.

        Returns:
            Both splits, on the CPU.

        Raises:
            InputError: the files are absent or unusable; the message says what was expected where.
        """


class Model(Stage):
    """An architecture."""

    group: ClassVar[str] = "idc.models"

    @abstractmethod
    def build(self, spec: "ImageSpec") -> "nn.Module":
        """A new network with initial weights drawn from the global generator, which the caller seeds.

        Returns:
            A module from normalised images (n, channels, height, width) to logits (n, classes). A module
            that also has ``features(images) -> list[Tensor]``, one tensor per layer from first to last,
            can be used by objectives that match features.

        Raises:
            InputError: the architecture does not fit the images.
        """


class Decoder(Stage):
    """The parameterization *f*: what is stored for a class becomes its training images (IDC, section 3).

    What is stored are named tensors, `Codes`. Those not named in `shared` have a leading class axis, and
    every class has its own slice; shared ones belong to all classes. `decode` sees one class: its slices,
    without the class axis, and the shared tensors. Together they are the budget: stored numbers.

    For codes that are images, subclass `idc.decoders.pixels.PixelDecoder` and write `decode` alone.
    """

    group: ClassVar[str] = "idc.decoders"

    shared: ClassVar[frozenset[str]] = frozenset()
    """Names of stored tensors without a class axis."""

    @abstractmethod
    def capacity(self, images_per_class: int, spec: "ImageSpec") -> int:
        """How many real images of a class `encode` can pack into the storage of ``images_per_class``.

        Raises:
            InputError: the decoder does not fit such images (a factor larger than the image, say).
        """

    @abstractmethod
    def encode(self, images: "StoredImages", images_per_class: int) -> "Codes":
        """Codes to start from.

        Args:
            images: (classes, n, channels, height, width) in the dataset's value range, with n either
                ``images_per_class`` (store each whole) or `capacity` (pack them, so that decoding gives
                back a likeness of each).
            images_per_class: the storage of a class, counted in images.

        Returns:
            The stored tensors.
        """

    @abstractmethod
    def decode(self, codes: "Codes", labels: "Labels") -> "Batch":
        """Training images of one class; a pure, twice differentiable function of the codes.

        Args:
            codes: the class's slices and the shared tensors.
            labels: (images_per_class,) the label of each stored image.

        Returns:
            The images (n, channels, height, width) in the dataset's value range and their labels (n,).
        """

    @abstractmethod
    def project(self, codes: "Codes", spec: "ImageSpec") -> "Codes":
        """The nearest codes whose images keep to the value range; called once per outer iteration and on
        saving. Codes that are not pixels may be returned as they are: images are clamped on saving anyway.
        """


class Initializer(Stage):
    """The codes a condensation starts from; with ``iterations = 0`` these are the papers' baselines."""

    group: ClassVar[str] = "idc.initializers"

    @abstractmethod
    def codes(self, decoder: Decoder, images_per_class: int, real: "Split", streams: "Streams") -> "Codes":
        """First codes of every class.

        Args:
            decoder: packs images into codes.
            images_per_class: the storage of a class, counted in images.
            real: the training split.
            streams: where random draws come from.

        Returns:
            What `Decoder.encode` made of the images chosen.

        Raises:
            InputError: a class has too few images.
        """


class Augmentation(Stage):
    """A differentiable augmentation, split into drawing parameters and applying them.

    Matching draws once and applies the draw to real and synthetic images alike (siamese); training draws
    for each image.
    """

    group: ClassVar[str] = "idc.augmentations"

    space: ClassVar[Literal["unit", "normalised"]] = "normalised"
    """Whether `apply` expects images in the dataset's value range or normalised by mean and std."""

    @abstractmethod
    def draw(self, count: int, shape: tuple[int, int, int], generator: "Generator") -> "Draw":
        """Random parameters.

        Args:
            count: 1 for a siamese draw, else the number of images.
            shape: (channels, height, width).
            generator: the only source of randomness.

        Returns:
            Tensors whose first axis is ``count``, on the CPU, and which operations they are for.
        """

    @abstractmethod
    def apply(self, images: "Images", draw: "Draw") -> "Images":
        """Transform images; a pure, twice differentiable function of them.

        Args:
            images: (n, channels, height, width) in `space`.
            draw: what `draw` returned, for n images or for one, which then holds for all.

        Returns:
            Images of the same shape.
        """


class Sampler(Stage):
    """Which images of a class an inner step sees. Stateless: a step's choice depends on its number only."""

    group: ClassVar[str] = "idc.samplers"

    @abstractmethod
    def real(self, members: "Indices", step: int, streams: "Streams") -> "Indices":
        """Real images for one class.

        Args:
            members: positions of the class's images in the training split.
            step: inner steps taken since the beginning of the run.
            streams: the class's own streams.

        Returns:
            The chosen members.
        """

    @abstractmethod
    def synthetic(self, count: int, step: int, streams: "Streams") -> "Indices":
        """Which of a class's ``count`` decoded images are matched in this step: positions in 0…count-1."""


class Objective(Stage):
    """The distance between a real and a synthetic batch as a network sees them."""

    group: ClassVar[str] = "idc.objectives"

    @abstractmethod
    def distance(self, net: "NetworkView", real: "Batch", syn: "Batch") -> "Scalar":
        """How far the synthetic batch is from the real one.

        Args:
            net: ``logits(images)``, ``features(images)``, ``gradients(batch, names)`` and ``weights``.
            real: augmented, normalised real images of one class; a constant.
            syn: augmented, normalised decoded images of the same class; differentiable.

        Returns:
            A scalar that can be differentiated with respect to ``syn.images``.
        """


class Networks(Stage):
    """Which networks the objective sees, and what they are trained on between inner steps."""

    group: ClassVar[str] = "idc.networks"

    @abstractmethod
    def start(
        self, iteration: int, previous: "Network | None", model: Model, real: "Split", streams: "Streams"
    ) -> "Network":
        """The network of an outer iteration.

        Args:
            iteration: outer iteration, from 0.
            previous: the network the last iteration ended with; None at the beginning and on resuming.
            model: the architecture.
            real: the training split.
            streams: where this iteration's random draws come from.
        """

    @abstractmethod
    def train(self, network: "Network", real: "Split", synthetic: "Callable[[], Batch]") -> "Network":
        """The network after the training that follows an inner step.

        Args:
            network: as `start` or the previous call returned it.
            real: the training split.
            synthetic: decodes the present synthetic images; costs nothing unless called.
        """


class Evaluator(Stage):
    """Scores a synset."""

    group: ClassVar[str] = "idc.evaluators"

    @abstractmethod
    def refuse_unfit(self, spec: "ImageSpec") -> None:
        """Refuse what cannot be evaluated on such images; called before a run begins.

        Raises:
            InputError: a field does not fit the images.
        """

    @abstractmethod
    def evaluate(
        self,
        synset: "Synset",
        data: "RealData",
        model: Model,
        streams: "Streams",
        progress: "Callable[[float], None]",
    ) -> "Iterator[Evaluation]":
        """Score a synset, giving each evaluation as soon as it is complete.

        Args:
            synset: what is scored.
            data: on the device to compute on; scores are taken on ``data.test``.
            model: the pipeline's, for evaluators that do not name their own.
            streams: where random draws come from.
            progress: called now and then with the share done, 0 to 1.
        """


KINDS: dict[str, type[Stage]] = {
    "dataset": Dataset,
    "model": Model,
    "init": Initializer,
    "decoder": Decoder,
    "augment": Augmentation,
    "sampler": Sampler,
    "objective": Objective,
    "networks": Networks,
    "evaluate": Evaluator,
}
"""Table name in the pipeline → kind."""
