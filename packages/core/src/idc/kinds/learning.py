"""The kinds of stage that build networks, train them, and look at images through them."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

from idc.errors import InputError
from idc.stage import Stage

if TYPE_CHECKING:
    from torch import nn

    from idc.data import RealData, Split
    from idc.network import Network, NetworkView
    from idc.report import Evaluation
    from idc.seeding import Streams
    from idc.shapes import Batch, Scalar
    from idc.spec import ImageSpec
    from idc.synset import Synset


class Model(Stage):
    """An architecture."""

    group: ClassVar[str] = "idc.models"

    @abstractmethod
    def build(self, spec: "ImageSpec") -> "nn.Module":
        """A new network with initial weights drawn from the global generator, which the caller seeds.

        Returns:
            A module from normalised images (n, channels, height, width) to logits (n, classes). A module
            that also has ``features(images) -> list[Tensor]``, one tensor per layer from first to last,
            can be used by objectives that match features. Its tensors must be parameters or buffers: others
            become constants when steps are compiled, the same for all networks of the architecture.

        Raises:
            InputError: the architecture does not fit the images.
        """


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
    def refuse_unfit(self, model: Model, real: "Split") -> None:
        """Refuse fields that do not fit such networks or data; called before a run begins."""

    def pretrain(
        self, model: Model, real: "Split", streams: "Streams", progress: "Callable[[float], None]"
    ) -> str:
        """Make what `start` needs and say what was made; ``idc pretrain`` calls it. Most need nothing."""
        raise InputError(f"networks: {self.type!r} needs no pretrained networks")

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

    def lasts(self, iteration: int) -> bool:
        """Whether `start` of an outer iteration may give back the network of the one before."""
        return False

    def trained_images(self, inner_steps: int, real: "Split", synthetic: int) -> int:
        """Images that the network of an outer iteration is trained on altogether; for estimates only.

        Args:
            inner_steps: of the outer iteration.
            real: the training split.
            synthetic: training images that the codes decode to.
        """
        return 0

    @abstractmethod
    def train(self, network: "Network", real: "Split", synthetic: "Callable[[], Split]") -> "Network":
        """The network after the training between two inner steps.

        Args:
            network: as the last inner step saw it.
            real: the training split.
            synthetic: decodes the present synthetic images; costs nothing unless called.
        """


class Evaluator(Stage):
    """Scores a synset."""

    group: ClassVar[str] = "idc.evaluators"

    @abstractmethod
    def refuse_unfit(self, spec: "ImageSpec") -> None:
        """Refuse fields that do not fit such images; called before a run begins."""

    def operations(self, images: int, spec: "ImageSpec", model: Model) -> float:
        """Floating-point operations that scoring a synset takes, by and large; for estimates only.

        Args:
            images: training images of the synset.
            spec: what they are.
            model: the pipeline's.
        """
        return 0.0

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
