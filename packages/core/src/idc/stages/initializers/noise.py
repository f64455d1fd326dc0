"""Codes from noise."""

from typing import Literal, final

import torch

from idc.kinds import Codes, Decoder, Initializer, Model, Split, Streams


@final
class Noise(Initializer):
    """Gaussian noise, ``0.5 + z / 4`` of the value range, clamped (as in IDC's code)."""

    type: Literal["noise"] = "noise"

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """One noise image per stored image, encoded by the decoder."""
        spec = real.spec
        shape = (len(spec.classes), decoder.unpacked(images_per_class, spec), *spec.shape)
        unit = (torch.randn(shape, generator=streams.generator()) / 4 + 0.5).clamp(0, 1)
        high = 1.0 if spec.high is None else spec.high
        images = spec.low + unit * (high - spec.low)
        return decoder.encode(images.to(real.device), images_per_class, spec, streams.child("decoder"))
