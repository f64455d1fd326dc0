"""Matching the characteristic functions of the features of real and synthetic images."""

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Generator, Tensor, nn

from idc.kinds import Batch, Model, NetworkView, Objective, Scalar, Split, Streams, Tensors, layer_of
from idc.stages import papers

EPSILON = 1e-12
"""Smallest length of features, and smallest squared difference of phases."""


@final
class Characteristic(Objective):
    """Distance between the characteristic functions of features (NCFM, CVPR 2025).

    Features are divided by their length. The frequencies are drawn from a standard normal distribution; the
    paper's learnt sampler is not used, as in the published configurations.
    """

    bibtex = papers.NCFM

    type: Literal["characteristic"] = "characteristic"
    frequencies: Annotated[int, Field(ge=1)] = 1024
    """Points at which the functions are compared."""
    amplitude: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the difference of amplitudes (the paper's alpha)."""
    phase: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the difference of phases (the paper's beta)."""
    scale: Annotated[float, Field(gt=0)] = 300.0
    """Factor of the distance."""
    redraw: bool = True
    """Whether each match of each class has new frequencies, as in NCFM's code; else the run has the same."""
    layer: int = -1
    """Layer of the features: index from 0, or negative from the last before the logits."""

    @model_validator(mode="after")
    def _weighs_something(self) -> "Characteristic":
        if self.amplitude == self.phase == 0:
            raise ValueError("amplitude and phase are both 0, so there is no distance; set one above 0")
        return self

    def prepare(self, real: Split, model: Model, streams: Streams) -> Tensors:
        """The frequencies, (`frequencies`, features); if they are redrawn, none, (0, features).

        Raises:
            InputError: the network has no such layer.
        """
        network = model.fresh(real.spec, streams.child("network"), real.device)
        with network.evaluating():
            layers = network.features(real.images(real.members[0][:1]))
        size = layer_of(layers, self.layer, "objective.layer").flatten(1).shape[1]
        count = 0 if self.redraw else self.frequencies
        drawn = torch.randn(count, size, generator=streams.generator("frequencies"))
        return {"frequencies": drawn.to(real.device)}

    def draw(self, prepared: Tensors, generator: Generator) -> Tensors:
        """New frequencies, if they are redrawn."""
        if not self.redraw:
            return {}
        size = prepared["frequencies"].shape[1]
        return {"frequencies": torch.randn(self.frequencies, size, generator=generator)}

    def distance(self, net: NetworkView, real: Batch, syn: Batch) -> Scalar:
        """`scale` times `characteristic_distance` of the features."""
        wanted, given = (
            nn.functional.normalize(
                layer_of(net.features(images), self.layer, "objective.layer").flatten(1), eps=EPSILON
            )
            for images in (real.images, syn.images)
        )
        frequencies = (net.drawn if self.redraw else net.prepared)["frequencies"].to(wanted.dtype)
        return self.scale * characteristic_distance(wanted, given, frequencies, self.amplitude, self.phase)


def characteristic_distance(
    real: Float[Tensor, "n d"],
    syn: Float[Tensor, "m d"],
    frequencies: Float[Tensor, "f d"],
    amplitude: float,
    phase: float,
) -> Scalar:
    """Mean over the frequencies of sqrt(amplitude · A + phase · P) (NCFM, equation 7).

    A is the squared difference of the moduli r and s of both characteristic functions, and P is
    2 (r s - Re(product of one with the conjugate of the other)).
    """
    (real_cos, real_sin), (syn_cos, syn_sin) = (
        ((features @ frequencies.T).cos().mean(0), (features @ frequencies.T).sin().mean(0))
        for features in (real, syn)
    )
    real_modulus = (real_cos**2 + real_sin**2).sqrt()
    syn_modulus = (syn_cos**2 + syn_sin**2).sqrt()
    in_phase = real_cos * syn_cos + real_sin * syn_sin
    phases = (2 * (real_modulus * syn_modulus - in_phase)).clamp(min=EPSILON)
    squared = amplitude * (real_modulus - syn_modulus) ** 2 + phase * phases
    return squared.clamp(min=EPSILON * (amplitude + phase) / 2).sqrt().mean()
