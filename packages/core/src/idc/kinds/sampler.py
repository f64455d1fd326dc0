"""The kind of stage that selects the images of an inner step."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.split import Split
    from idc.network.network import Network
    from idc.seeding import Streams
    from idc.shapes import Indices


class Sampler(Stage):
    """Which images of a class an inner step sees.

    A sampler has no state. Its selection depends on the step's number and, for samplers that refresh, on what
    `refresh` returned last, which the loop keeps and a checkpoint holds.
    """

    group: ClassVar[str] = "idc.samplers"
    default_type: ClassVar[str | None] = "epoch"

    @abstractmethod
    def real(
        self, members: "Indices", step: int, streams: "Streams", refreshed: "Indices | None" = None
    ) -> "Indices":
        """Real images of one class.

        Args:
            members: positions of the class's images in the training split.
            step: inner steps since the beginning of the run.
            streams: the class's own streams.
            refreshed: what `refresh` returned last for this class; None for samplers that never refresh, and
                before a run, when only the number of images matters.

        Returns:
            The selected members.
        """

    @abstractmethod
    def synthetic(self, count: int, step: int, streams: "Streams") -> "Indices | None":
        """Which of a class's ``count`` decoded images are matched in this step.

        Returns:
            Positions in 0…count-1, on the CPU; None for all of them.
        """

    def refreshes(self, step: int) -> bool:
        """Whether `refresh` is called before this inner step; never by default, and if ever then at 0."""
        return False

    def refresh(
        self, members: "Indices", real: "Split", network: "Network", step: int, streams: "Streams"
    ) -> "Indices":
        """Select from a class's images with the network being matched (DREAM: k-means over their features).

        Args:
            members: positions of the class's images in the training split.
            real: the training split.
            network: the one that this inner step matches.
            step: inner steps since the beginning of the run.
            streams: the class's own streams.

        Returns:
            Positions for `real` to select from, on the CPU.
        """
        raise NotImplementedError(f"{type(self).__name__}.refreshes() needs a refresh() too")
