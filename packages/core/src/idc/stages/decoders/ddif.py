"""Images from small networks that give the colour of each place."""

import math
from itertools import pairwise
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Codes, Images, ImageSpec, InputError, StoredImages, Streams
from idc.stages.decoders.fitted import Fitted, fitted

PLACE = 2
"""Numbers that a network gets: row and column."""


@final
class DDiF(Fitted):
    """One network for each image, from a pixel's place to its colour (DDiF, ICLR 2025).

    The networks are SIRENs (Sitzmann et al., NeurIPS 2020): hidden layers with a sine, then a linear layer.
    Their weights are stored. Initial ones are fitted to real images.
    """

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
        numbers = self.numbers(spec.channels)
        if numbers > stored:
            raise InputError(
                f"decoder.width: {self.width} with hidden_layers = {self.hidden_layers} makes networks of "
                f"{numbers:,} numbers, but images_per_class = {images_per_class} stores {stored:,}; "
                f"{self._narrower(stored, spec.channels)}"
            )
        return stored // numbers

    def numbers(self, channels: int) -> int:
        """Weights and biases of one network."""
        return sum((inputs + 1) * outputs for inputs, outputs in self._layers(channels))

    def fit(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """``weight.k`` (classes, n, outputs, inputs) and ``bias.k`` (classes, n, outputs) of each layer k.

        Initial weights are drawn from ``streams``, and fitted class by class.
        """
        widest = spec.height * spec.width * max(self.width, spec.channels)
        of_classes = [
            fitted(
                of_class,
                self._initial(of_class, streams.child(label)),
                lambda codes: self.render(codes, spec),
                steps=self.fit_steps,
                learning_rate=self.fit_learning_rate,
                numbers_per_image=widest,
            )
            for label, of_class in enumerate(images)
        ]
        return {name: torch.stack([each[name] for each in of_classes]) for name in of_classes[0]}

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

    def _layers(self, channels: int) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer."""
        sizes = [PLACE, *[self.width] * self.hidden_layers, channels]
        return list(pairwise(sizes))

    def _initial(self, images: Images, streams: Streams) -> Codes:
        # As in SIREN, but with the biases drawn like the weights, as in the public code.
        generator = streams.generator()
        codes: Codes = {}
        for layer, (inputs, outputs) in enumerate(self._layers(images.shape[1])):
            bound = math.sqrt(6 / inputs) / self.w0 if layer else 1 / inputs
            for name, shape in ((f"weight.{layer}", (outputs, inputs)), (f"bias.{layer}", (outputs,))):
                unit = torch.rand(len(images), *shape, generator=generator, dtype=images.dtype)
                codes[name] = ((2 * unit - 1) * bound).to(images.device)
        return codes

    def _narrower(self, stored: int, channels: int) -> str:
        widths = (width for width in range(self.width - 1, 0, -1) if self._fits(width, channels, stored))
        width = next(widths, None)
        return "set fewer hidden_layers" if width is None else f"allowed are 1 to {width}"

    def _fits(self, width: int, channels: int, stored: int) -> bool:
        return self.model_copy(update={"width": width}).numbers(channels) <= stored

    @staticmethod
    def _linear(codes: Codes, layer: int, values: Tensor) -> Tensor:
        return codes[f"weight.{layer}"] @ values + codes[f"bias.{layer}"][..., None]
