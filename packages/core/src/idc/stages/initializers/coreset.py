"""Codes from real images that are chosen by what a trained network sees in them."""

from abc import abstractmethod

from jaxtyping import Float, Int
from torch import Tensor

from idc.kinds import Codes, Decoder, Initializer, Model, Split, Streams
from idc.stages.initializers.features import Features


class Coreset(Initializer):
    """Base of the papers' coresets: with ``iterations = 0`` and the decoder ``raw``, their baselines."""

    features: Features = Features()
    """What images are compared by."""

    @abstractmethod
    def choose(self, features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
        """Positions of ``count`` images of a class, in the order of being chosen; all if there are fewer."""

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """What the decoder makes of ``images_per_class`` chosen real images of each class."""
        network = self.features.network(model, real, streams)
        chosen = [
            members[self.choose(self.features.of(network, real, members), images_per_class).cpu()]
            for members in real.members
        ]
        purpose = f"init {self.type!r}"
        return decoder.encode(
            real.first_of_each_class(chosen, images_per_class, 1, purpose), images_per_class
        )
