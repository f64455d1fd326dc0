"""Networks that a stage needs trained on the real data before a run begins."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.split import Split


@runtime_checkable
class Pretrained(Protocol):
    """A pool: numbered networks trained on the real data, each kept in a file of its own that all runs share.

    Whoever needs them declares the pool in its method ``pools``. The engine trains those whose files are
    missing, several at the same time where there are several processes, and each once, whoever declares it.
    """

    def refuse_unfit(self, model: Model, real: "Split") -> None:
        """Refuse a recipe that does not fit such networks or data, and files that are not this pool's.

        Raises:
            InputError: which field or file, and what is allowed.
        """
        ...

    def fingerprint(self, model: Model, real: "Split") -> str:
        """A hash of everything that determines the networks: those of the same number are then the same."""
        ...

    def files(self, model: Model, real: "Split") -> Sequence[Path]:
        """The file of each network in the order of their numbers, whether or not it exists."""
        ...

    def training_images(self, real: "Split") -> int:
        """Images that each network is trained on, counted once for each time."""
        ...

    def train(self, number: int, model: Model, real: "Split", progress: "Callable[[float], None]") -> None:
        """Train a network and write its file, whole or not at all; several processes may do so at once.

        Args:
            number: of the network, from 0.
            model: the architecture.
            real: the training split.
            progress: called with the fraction done, 0 to 1.

        Raises:
            RunError: the network diverged, or its file cannot be written.
        """
        ...

    def try_training(self, model: Model, real: "Split") -> int:
        """Train as `train` does on a few images, without keeping anything, to measure the time.

        Returns:
            Number of images.
        """
        ...


class PretrainedStage(Stage):
    """A stage that may need networks trained before a run begins."""

    def refuse_unfit(self, model: Model, real: "Split") -> None:
        """Refuse fields that do not fit such networks or data; called before a run begins.

        Its `pools` are asked by the engine.

        Raises:
            InputError: which field, and what is allowed.
        """

    def pools(self) -> Sequence[Pretrained]:
        """The networks that must be trained before the stage does anything else; none by default."""
        return ()
