"""The kind of stage that measures how far synthetic images are from real ones."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.split import Split
    from idc.network import NetworkView
    from idc.seeding import Streams
    from idc.shapes import Batch, Scalar, Tensors


class Objective(Stage):
    """The distance between a real and a synthetic batch as a network sees them."""

    group: ClassVar[str] = "idc.objectives"

    def prepare(self, real: "Split", model: Model, streams: "Streams") -> "Tensors":
        """What is computed or drawn once per run; `distance` finds it in ``net.prepared``. Empty by default.

        A checkpoint holds it, so that a resumed run does not compute it again. Before a run,
        and before each draw of a baseline, it is called with two images of each class, to check early that
        the objective fits; so it should take no longer than its data ask for.

        Args:
            real: the training split.
            model: the pipeline's architecture.
            streams: the objective's own: where random draws come from.

        Returns:
            Tensors by name on ``real.device``, for all classes; index those of a class by ``real.labels``.
        """
        return {}

    @abstractmethod
    def distance(self, net: "NetworkView", real: "Batch", syn: "Batch") -> "Scalar":
        """How far the synthetic batch is from the real one.

        Args:
            net: the network being matched: ``logits(images)``, ``features(images)``,
                ``gradients(batch, names)``, ``weights``, and ``prepared``.
            real: augmented, normalised real images of one class; a constant.
            syn: augmented, normalised decoded images of the same class; differentiable. Their labels may be
                soft.

        Returns:
            A scalar that can be differentiated with respect to ``syn.images``.
        """
