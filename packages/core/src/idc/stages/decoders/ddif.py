"""Images from small networks that give the colour of each place."""

import math
from bisect import bisect_right
from itertools import pairwise
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Decoder, Images, ImageSpec, InputError, StoredImages, Streams
from idc.stages import papers
from idc.stages.decoders.fitted import Fitted, fitted

PLACE = 2
"""Numbers that a network gets: row and column."""


@final
class DDiF(Fitted):
    """One network for each image, from a pixel's place to its colour (DDiF, ICLR 2025).

    The networks are SIRENs (Sitzmann et al., NeurIPS 2020): hidden layers with a sine, then a linear layer.
    Their weights are stored. Initial ones are fitted to real images.
    """

    bibtex = papers.DDIF

    type: Literal["ddif"] = "ddif"
    hidden_layers: Annotated[int, Field(ge=1)] = 2
    """Layers with a sine."""
    width: Annotated[int, Field(ge=1)] = 6
    """Outputs of a hidden layer."""
    w0_first: Annotated[float, Field(gt=0)] = 30.0
    """Factor within the sine of the first layer."""
    w0: Annotated[float, Field(gt=0)] = 10.0
    """Factor within the sines of the other hidden layers."""
    fit_steps: Annotated[int, Field(ge=0)] = 5000
    """Steps of Adam that fit the initial networks to real images."""
    fit_learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    """Learning rate of these steps."""

    def described(self, images_per_class: int, spec: ImageSpec) -> int:
        """``images_per_class`` images' numbers divided by those of a network, rounded down.

        Raises:
            InputError: a network has more numbers than there are.
        """
        stored = images_per_class * spec.channels * spec.height * spec.width
        numbers = self.numbers(self.width, spec.channels)
        if numbers > stored:
            widths = range(1, min(self.width, stored))
            most = bisect_right(widths, stored, key=lambda width: self.numbers(width, spec.channels))
            raise InputError(
                f"decoder.width: {self.width} with hidden_layers = {self.hidden_layers} makes networks of "
                f"{numbers:,} numbers, but images_per_class = {images_per_class} stores {stored:,}; "
                + (f"allowed are 1 to {most}" if most else "set fewer hidden_layers")
            )
        return stored // numbers

    def numbers(self, width: int, channels: int) -> int:
        """Weights and biases of one network with hidden layers of this width."""
        hidden = (PLACE + 1) * width + (self.hidden_layers - 1) * (width + 1) * width
        return hidden + (width + 1) * channels

    def fit(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """``weight.k`` (classes, n, outputs, inputs) and ``bias.k`` (classes, n, outputs) of each layer k.

        Initial weights are drawn from ``streams``, and fitted class by class.
        """
        return fitted(
            images,
            self._drawn,
            lambda codes: self.render(codes, spec),
            streams,
            steps=self.fit_steps,
            learning_rate=self.fit_learning_rate,
            numbers_per_image=spec.height * spec.width * max(self.width, spec.channels),
        )

    def unfitted(self) -> Decoder:
        """The decoder with 0 `fit_steps`."""
        return self.model_copy(update={"fit_steps": 0})

    def render(self, codes: Codes, spec: ImageSpec) -> Images:
        """Every network at the place of every pixel: rows and columns from -1 to 1."""
        rows, columns = (
            torch.linspace(-1, 1, size, dtype=codes["bias.0"].dtype, device=codes["bias.0"].device)
            for size in (spec.height, spec.width)
        )
        # Of a row and of a column separately, because the first layer is linear in both.
        down, across = codes["weight.0"].unsqueeze(-1).unbind(2)
        bias = codes["bias.0"][..., None, None]
        hidden = (down * rows)[..., :, None] + (across * columns)[..., None, :] + bias
        hidden = (self.w0_first * hidden).sin().flatten(2)
        for layer in range(1, self.hidden_layers):
            hidden = (self.w0 * self._linear(codes, layer, hidden)).sin()
        return self._linear(codes, self.hidden_layers, hidden).unflatten(2, (spec.height, spec.width))

    def _drawn(self, images: Images, streams: Streams) -> Codes:
        # As in SIREN, but with the biases drawn like the weights, as in the public code.
        generator = streams.generator()
        codes: Codes = {}
        sizes = [PLACE, *[self.width] * self.hidden_layers, images.shape[1]]
        for layer, (inputs, outputs) in enumerate(pairwise(sizes)):
            bound = math.sqrt(6 / inputs) / self.w0 if layer else 1 / inputs
            for name, shape in ((f"weight.{layer}", (outputs, inputs)), (f"bias.{layer}", (outputs,))):
                unit = torch.rand(len(images), *shape, generator=generator, dtype=images.dtype)
                codes[name] = ((2 * unit - 1) * bound).to(images.device)
        return codes

    @staticmethod
    def _linear(codes: Codes, layer: int, values: Tensor) -> Tensor:
        return codes[f"weight.{layer}"] @ values + codes[f"bias.{layer}"][..., None]
