"""Matching of one class: a pure function from codes to their gradient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from idc.kinds import Decoder, Objective
from idc.network.view import NetworkView
from idc.shapes import Batch, Codes, Draw, Indices, Labels, Scalar, Tensors
from idc.spec import ImageSpec
from idc.synset.codes import optimised
from idc.training.preprocessing import Preprocessing


class Matched(NamedTuple):
    """The result of a match of one class."""

    gradients: Codes
    """Of each code that is not fixed."""
    distance: Scalar
    """With the decoder's penalty."""
    remembered: Tensors
    """What `Objective.remember` returned in the last sweep; empty in the others."""


@dataclass(frozen=True)
class ClassMatch:
    """The stages that a match of one class takes part in."""

    decoder: Decoder
    objective: Objective
    preprocessing: Preprocessing
    """Augmentation and normalisation."""
    spec: ImageSpec

    def seen(
        self,
        codes: Codes,
        labels: Labels,
        real: Batch,
        draws: Sequence[Draw],
        kept: Indices | None = None,
    ) -> tuple[Batch, Batch]:
        """Real and decoded images as the network sees them: augmented with the same draws, and normalised.

        Args:
            codes: the class's stored tensors and the shared ones.
            labels: label of each stored image.
            real: real images of the class, in the dataset's value range.
            draws: siamese draws of the augmentations.
            kept: positions of the decoded images to use; all by default.
        """
        syn = self.decoder.decode(codes, labels, self.spec)
        if kept is not None:
            syn = Batch(syn.images[kept], syn.labels[kept])
        return (
            Batch(self.preprocessing(real.images, draws), real.labels),
            Batch(self.preprocessing(syn.images, draws), syn.labels),
        )

    def __call__(
        self,
        view: NetworkView,
        codes: Codes,
        labels: Labels,
        real: Batch,
        draws: Sequence[Draw],
        kept: Indices | None = None,
    ) -> Matched:
        """Gradient of the objective, and of the decoder's penalty, with respect to the codes of one class.

        Args:
            view: the network being matched.
            codes: of the class.
            labels: of its stored images.
            real: real images of the class.
            draws: of the augmentations.
            kept: positions of the decoded images.
        """

        def distance(moving: Codes) -> tuple[Scalar, Tensors]:
            now = {**codes, **moving}
            both = self.seen(now, labels, real, draws, kept)
            value = self.objective.distance(view, *both)
            penalty = self.decoder.penalty(now)
            return value if penalty is None else value + penalty, self._remembered(view, *both)

        moving = optimised(self.decoder, codes)
        if view.mapped:
            of_codes, (value, remembered) = torch.func.grad_and_value(distance, has_aux=True)(moving)
            return Matched(of_codes, value, remembered)
        leaves = {name: code.detach().requires_grad_() for name, code in moving.items()}
        value, remembered = distance(leaves)
        # Zero for soft labels if the objective ignores labels, as with torch.func.
        gradients = torch.autograd.grad(value, tuple(leaves.values()), materialize_grads=True)
        return Matched(dict(zip(leaves, gradients, strict=True)), value.detach(), remembered)

    @torch.no_grad()
    def _remembered(self, view: NetworkView, real: Batch, syn: Batch) -> Tensors:
        if view.sweep < self.objective.sweeps() - 1:
            return {}
        return self.objective.remember(view, real, syn)
