"""The kind of stage that labels the finished synthetic images."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from idc.errors import InputError
from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.split import Split
    from idc.network.network import Logits
    from idc.shapes import Batch


class Labeller(Stage):
    """Which labels the decoded images of the finished codes get: the decoder's own, or stored logits."""

    group: ClassVar[str] = "idc.labellers"
    default_type: ClassVar[str | None] = "hard"

    soft: ClassVar[bool] = True
    """Whether `logits` is called, and its result stored with the codes. It counts in the budget."""

    def refuse_unfit(self, model: Model, real: "Split") -> None:
        """Refuse fields that do not fit such networks or data; called before a run begins.

        Raises:
            InputError: which field, and what is allowed.
        """

    def pretrain(self, model: Model, real: "Split", progress: "Callable[[float], None]") -> str:
        """Train the networks that `logits` needs, and say what was trained.

        Args:
            model: the architecture.
            real: the training split.
            progress: called with the fraction done, 0 to 1.
        """
        raise InputError(f"labels: {self.type!r} needs no pretrained networks")

    def untrained_images(self, model: Model, real: "Split") -> int:
        """Images that `pretrain` would train networks on, counted once for each time; 0 if there is nothing
        to train."""
        return 0

    def try_pretraining(self, model: Model, real: "Split") -> int:
        """Train as `pretrain` does on a few images, without keeping anything, to measure the time.

        Called only if there are `untrained_images`.

        Returns:
            Number of images.
        """
        return 0

    @abstractmethod
    def logits(self, images: "Batch", model: Model, real: "Split") -> "Logits":
        """Logits whose softmax is the label of each image; stored with the synset.

        Args:
            images: decoded images in the dataset's value range, with class numbers.
            model: the pipeline's architecture.
            real: the training split.
        """
