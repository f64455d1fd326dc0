"""The kind of stage that measures how far synthetic images are from real ones."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from torch import Generator

    from idc.data.split import Split
    from idc.network.view import NetworkView
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

    def draw(self, prepared: "Tensors", generator: "Generator") -> "Tensors":
        """Random tensors of one match of one class; `distance` finds them in ``net.drawn``. Empty by default.

        Args:
            prepared: what `prepare` returned.
            generator: the only source of randomness.

        Returns:
            Tensors by name on the CPU. Names, shapes and dtypes are the same in every match.
        """
        return {}

    def remember(self, net: "NetworkView", real: "Batch", syn: "Batch") -> "Tensors":
        """What is kept of a class's match until its next one; `distance` finds it in ``net.remembered``.

        Empty by default, which costs nothing. Called for each class in the last sweep of every inner step,
        after `distance` and with its arguments; what was remembered before is in ``net.remembered`` here too,
        which is empty the first time. A checkpoint holds it.

        Args:
            net: the network being matched.
            real: as the network saw it.
            syn: as the network saw it, before the update; without gradients here.

        Returns:
            Tensors by name. Names, shapes and dtypes are the same every time. Tensors in ``net.remembered``
            are not changed in place.
        """
        return {}

    def sweeps(self) -> int:
        """How often an inner step matches every class and updates the codes: once by default.

        `distance` finds the number of the current sweep, from 0, in ``net.sweep``. For methods that minimise
        several losses in turn (DANCE: matching, then calibration).
        """
        return 1

    def passes(self) -> tuple[int, int]:
        """Forward passes that an inner step costs for a real and for a synthetic image; for estimates only.

        By default those of a function of logits or features: 1 for a constant image, and 3 for one whose
        gradient is taken.
        """
        return 1, 3

    @abstractmethod
    def distance(self, net: "NetworkView", real: "Batch", syn: "Batch") -> "Scalar":
        """How far the synthetic batch is from the real one.

        Args:
            net: the network being matched: ``logits(images)``, ``features(images)``, ``maps(images)``,
                ``gradients(batch, names)``, ``weights``, ``prepared``, ``drawn``, ``remembered``, ``sweep``;
                ``of(name)`` is the same for a companion of the network, and ``fact(name)`` what is known
                about it.
            real: augmented, normalised real images of one class; a constant.
            syn: augmented, normalised decoded images of the same class; differentiable. Their labels may be
                soft.

        Returns:
            A scalar that can be differentiated with respect to ``syn.images``.
        """
