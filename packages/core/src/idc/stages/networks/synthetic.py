"""Networks trained on the synthetic images."""

from collections.abc import Callable
from typing import Annotated, Literal, final

from pydantic import Field

from idc.errors import within
from idc.kinds import ImageSpec, Model, Network, Networks, Split, Streams
from idc.stages import papers
from idc.training.recipe import Training

EPOCHS = {30: 20, 40: 15}
"""Images per class → epochs, where DC's code deviates from 500 / images per class."""


class SyntheticTraining(Training):
    """Plain SGD, as in DC's code."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of SGD."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of SGD (L2 penalty)."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Batch size; the last batch of an epoch may be smaller."""


@final
class Synthetic(Networks):
    """DC's schedule: a new network in every outer iteration, trained on the synthetic images (section 3).

    DC's outer loop is the inner steps here, as many as images per class; its inner loop is `epochs`.
    """

    bibtex = papers.DC

    type: Literal["synthetic"] = "synthetic"
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Epochs on the synthetic images between two inner steps. By default about 500 / images per class, as in
    DC's code for 10, 20, 30, 40 and 50."""
    training: SyntheticTraining = SyntheticTraining()
    """Training recipe."""

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Check the augmentations."""
        with within("networks"):
            self.training.refuse_unfit(real.spec)

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """A new network."""
        return model.fresh(real.spec, streams, real.device)

    def trained_images(self, inner_steps: int, real: Split, synthetic: int) -> int:
        """`epochs` times the synthetic images, between every two inner steps."""
        return (inner_steps - 1) * self._epochs(synthetic, real.spec) * synthetic

    def _epochs(self, synthetic: int, spec: ImageSpec) -> int:
        return self.epochs or default_epochs(synthetic // len(spec.classes))

    def train(self, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        """The network after `epochs` on the current synthetic images."""
        split = synthetic()
        epochs = self._epochs(len(split), split.spec)
        return self.training.steps(network, split, epochs * self.training.batches_per_epoch(split))


def default_epochs(images_per_class: int) -> int:
    """Epochs of DC's inner loop, by images per class."""
    return EPOCHS.get(images_per_class, max(1, 500 // images_per_class))
