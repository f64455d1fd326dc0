"""Codes from randomly selected real images."""

from typing import Literal, final

from idc.kinds import Codes, Decoder, Initializer, Model, Split, Streams
from idc.stages.initializers.choice import Order, ordered_members


@final
class Random(Initializer):
    """One real image per stored image; with ``iterations = 0`` and ``raw``, the papers' baseline *Random*."""

    type: Literal["random"] = "random"
    order: Order = "random"
    """``random``: shuffled by the seed. ``file``: the first ones as stored, as in IDC's code."""

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """As many real images of each class as the decoder stores unpacked, encoded by it."""
        members = ordered_members(real, self.order, streams)
        count = decoder.unpacked(images_per_class, real.spec)
        chosen = real.first_of_each_class(members, count, images_per_class, "init 'random'")
        return decoder.encode(chosen, images_per_class, real.spec, streams.child("decoder"))
