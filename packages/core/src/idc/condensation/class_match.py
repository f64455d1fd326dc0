"""Matching of one class: a pure function from codes to their gradient."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from idc.kinds import Decoder, Objective
from idc.network.view import NetworkView
from idc.shapes import Batch, Codes, Draw, Indices, Labels, Scalar
from idc.spec import ImageSpec
from idc.synset.codes import optimised
from idc.training.preprocessing import Preprocessing


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
    ) -> tuple[Codes, Scalar]:
        """Gradient of the objective, and of the decoder's penalty, with respect to the codes of one class.

        Args:
            view: the network being matched.
            codes: of the class.
            labels: of its stored images.
            real: real images of the class.
            draws: of the augmentations.
            kept: positions of the decoded images.

        Returns:
            The gradient of each code that is not fixed, and the distance with the penalty.
        """

        def distance(moving: Codes) -> Scalar:
            now = {**codes, **moving}
            value = self.objective.distance(view, *self.seen(now, labels, real, draws, kept))
            penalty = self.decoder.penalty(now)
            return value if penalty is None else value + penalty

        moving = optimised(self.decoder, codes)
        if view.mapped:
            return torch.func.grad_and_value(distance)(moving)
        leaves = {name: code.detach().requires_grad_() for name, code in moving.items()}
        value = distance(leaves)
        # Zero for soft labels if the objective ignores labels, as with torch.func.
        gradients = torch.autograd.grad(value, tuple(leaves.values()), materialize_grads=True)
        return dict(zip(leaves, gradients, strict=True)), value.detach()
