"""Networks trained on the synthetic images themselves."""

from collections.abc import Callable
from typing import Annotated, Literal, final

from pydantic import Field

from idc.errors import within
from idc.kinds import ImageSpec, Model, Network, Networks, Split, Streams
from idc.training.recipe import Training

PUBLISHED = {30: 20, 40: 15}
"""Images per class → epochs, where DC's code departs from 500 / images per class."""


class SyntheticTraining(Training):
    """Plain SGD, as DC's code trains on the synthetic images."""

    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Momentum of SGD."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of SGD (L2 penalty)."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Images of a step; the last batch of a pass may be smaller."""


@final
class Synthetic(Networks):
    """DC's schedule: a fresh network for every outer iteration, trained on the synthetic images.

    As in section 3 of the paper. DC's inner steps (its outer loop) are as many as images per class; `epochs`
    is its inner loop.
    """

    type: Literal["synthetic"] = "synthetic"
    epochs: Annotated[int, Field(ge=1)] | None = None
    """Passes over the synthetic images between two inner steps; by default about 500 / images per class, as
    DC's code has it for 10, 20, 30, 40 and 50."""
    training: SyntheticTraining = SyntheticTraining()
    """How they are trained."""

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Refuse augmentations of the training that do not fit such images."""
        with within("networks"):
            self.training.refuse_unfit(real.spec)

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """A fresh network."""
        return model.fresh(real.spec, streams, real.device)

    def trained_images(self, inner_steps: int, real: Split, synthetic: int) -> int:
        """`epochs` passes over the synthetic images between two inner steps."""
        return (inner_steps - 1) * self._passes(synthetic, real.spec) * synthetic

    def _passes(self, synthetic: int, spec: ImageSpec) -> int:
        return self.epochs or default_epochs(synthetic // len(spec.classes))

    def train(self, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        """The network after `epochs` more passes over the current synthetic images."""
        split = synthetic()
        epochs = self._passes(len(split), split.spec)
        return self.training.steps(network, split, epochs * self.training.batches_per_epoch(split))


def default_epochs(images_per_class: int) -> int:
    """DC's inner loop for so many images of a class."""
    return PUBLISHED.get(images_per_class, max(1, 500 // images_per_class))
