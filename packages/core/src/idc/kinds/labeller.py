"""The kind of stage that labels the finished synthetic images."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.model import Model
from idc.kinds.pretrained import PretrainedStage

if TYPE_CHECKING:
    from idc.data.split import Split
    from idc.network.network import Logits
    from idc.shapes import Batch


class Labeller(PretrainedStage):
    """Which labels the decoded images of the finished codes get: the decoder's own, or stored logits."""

    group: ClassVar[str] = "idc.labellers"
    default_type: ClassVar[str | None] = "hard"

    soft: ClassVar[bool] = True
    """Whether `logits` is called, and its result stored with the codes. It counts in the budget."""

    @abstractmethod
    def logits(self, images: "Batch", model: Model, real: "Split") -> "Logits":
        """Logits whose softmax is the label of each image; stored with the synset.

        Called when the networks of `pools` are trained.

        Args:
            images: decoded images of some classes in the dataset's value range, with class numbers.
            model: the pipeline's architecture.
            real: the training split.
        """
