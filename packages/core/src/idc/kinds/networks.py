"""The kind of stage that supplies the networks being matched."""

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.model import Model
from idc.kinds.pretrained import PretrainedStage

if TYPE_CHECKING:
    from idc.data.split import Split
    from idc.network.network import Network
    from idc.seeding import Streams


class Networks(PretrainedStage):
    """Which networks are matched, and what they are trained on between inner steps."""

    group: ClassVar[str] = "idc.networks"

    companions: ClassVar[frozenset[str]] = frozenset()
    """Names of the companions of each network (`Network.companions`): other weights of the same architecture,
    such as ``trained`` for the end of the training that the network is from."""
    facts: ClassVar[frozenset[str]] = frozenset()
    """Names of the facts about each network (`Network.facts`), such as ``accuracy``."""
    independent: ClassVar[bool] = False
    """Whether networks follow from the data and the seed alone, and never from synthetic images or from the
    network of an earlier outer iteration unless `reuses_network`. Several processes train such networks of
    several outer iterations at the same time. Worthwhile only for networks that `train` changes."""

    @abstractmethod
    def start(
        self, iteration: int, previous: "Network | None", model: Model, real: "Split", streams: "Streams"
    ) -> "Network":
        """The network of an outer iteration.

        Args:
            iteration: outer iteration, from 0.
            previous: the network the last iteration ended with; None at the beginning, and on resuming where
                `reuses_network` is false.
            model: the architecture.
            real: the training split.
            streams: where this iteration's random draws come from.
        """

    def reuses_network(self, iteration: int) -> bool:
        """Whether `start` of an outer iteration may return the network of the previous one."""
        return False

    def trained_images(self, inner_steps: int, real: "Split", synthetic: int) -> int:
        """Images that the network of an outer iteration is trained on in total; for estimates only.

        Args:
            inner_steps: of the outer iteration.
            real: the training split.
            synthetic: number of training images that the codes decode to.
        """
        return 0

    @abstractmethod
    def train(self, network: "Network", real: "Split", synthetic: "Callable[[], Split]") -> "Network":
        """The network after the training between two inner steps.

        Args:
            network: as the last inner step matched it.
            real: the training split.
            synthetic: decodes the current synthetic images; costs nothing unless called.
        """
