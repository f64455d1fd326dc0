"""Codes that pack as many real images as the decoder can hold."""

from typing import Literal, final

from idc.kinds import Codes, Decoder, Initializer, Model, Split, Streams
from idc.stages import papers
from idc.stages.initializers.choice import Order, ordered_members


@final
class Mix(Initializer):
    """Real images downsampled to the decoder's tiles: ``factor²`` per stored image (IDC's ``mix``)."""

    bibtex = papers.IDC

    type: Literal["mix"] = "mix"
    order: Order = "random"
    """``random``: shuffled by the seed. ``file``: the first ones as stored, as in IDC's code."""

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """As many real images of each class as the decoder can pack, encoded by it."""
        count = decoder.capacity(images_per_class, real.spec)
        members = ordered_members(real, self.order, streams)
        purpose = f"init 'mix' with decoder {decoder.type!r}"
        chosen = real.first_of_each_class(members, count, images_per_class, purpose)
        return decoder.encode(chosen, images_per_class, real.spec, streams.child("decoder"))
