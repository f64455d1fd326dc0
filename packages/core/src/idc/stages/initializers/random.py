"""Codes from randomly chosen real images, each stored whole."""

from typing import Literal, final

from idc.kinds import Codes, Decoder, Initializer, Model, Split, Streams
from idc.stages.initializers.choice import Order, ordered_members


@final
class Random(Initializer):
    """One real image for each stored one. With ``iterations = 0`` and ``raw`` it is the baseline *Random*."""

    type: Literal["random"] = "random"
    order: Order = "random"
    """``random``: shuffled by the seed. ``file``: the first ones as stored, as in IDC's code."""

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """What the decoder makes of ``images_per_class`` real images of each class."""
        members = ordered_members(real, self.order, streams)
        chosen = real.first_of_each_class(members, images_per_class, 1, "init 'random'")
        return decoder.encode(chosen, images_per_class)
