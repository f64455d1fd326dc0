"""Codes from real images that are selected by the features of a trained network."""

from abc import abstractmethod

from jaxtyping import Float, Int
from torch import Tensor

from idc.kinds import Codes, Decoder, Initializer, Model, Split, Streams
from idc.stages.initializers.features import Features


class Coreset(Initializer):
    """Base class of coresets; with ``iterations = 0`` and the decoder ``raw``, the papers' baselines."""

    features: Features = Features()
    """Features by which images are compared."""

    @abstractmethod
    def choose(self, features: Float[Tensor, "n d"], count: int) -> Int[Tensor, " chosen"]:
        """Positions of ``count`` images of a class, in the order of selection; all if there are fewer."""

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """As many selected real images of each class as the decoder stores unpacked, encoded by it."""
        count = decoder.unpacked(images_per_class, real.spec)
        network = self.features.network(model, real, streams)
        chosen = [
            members[self.choose(self.features.of(network, real, members), count).cpu()]
            for members in real.members
        ]
        purpose = f"init {self.type!r}"
        images = real.first_of_each_class(chosen, count, images_per_class, purpose)
        return decoder.encode(images, images_per_class, real.spec, streams.child("decoder"))
