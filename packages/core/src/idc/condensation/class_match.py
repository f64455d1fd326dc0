"""Matching of one class: a pure function from codes to their gradient."""

from collections.abc import Sequence

import torch

from idc.kinds import Decoder, Objective
from idc.network import NetworkView
from idc.shapes import Batch, Codes, Draw, Indices, Labels, Scalar
from idc.training.preprocessing import Preprocessing


def both_seen(
    decoder: Decoder,
    preprocessing: Preprocessing,
    codes: Codes,
    labels: Labels,
    real: Batch,
    draws: Sequence[Draw],
    kept: Indices | None = None,
) -> tuple[Batch, Batch]:
    """Real and decoded images as the network sees them: augmented with the same draws, and normalised.

    Args:
        decoder: of the codes.
        preprocessing: augmentation and normalisation.
        codes: the class's stored tensors and the shared ones.
        labels: label of each stored image.
        real: real images of the class, in the dataset's value range.
        draws: siamese draws of the augmentations.
        kept: positions of the decoded images to use; all by default.
    """
    syn = decoder.decode(codes, labels)
    if kept is not None:
        syn = Batch(syn.images[kept], syn.labels[kept])
    return (
        Batch(preprocessing(real.images, draws), real.labels),
        Batch(preprocessing(syn.images, draws), syn.labels),
    )


def match(
    decoder: Decoder,
    objective: Objective,
    preprocessing: Preprocessing,
    view: NetworkView,
    codes: Codes,
    labels: Labels,
    real: Batch,
    draws: Sequence[Draw],
    kept: Indices | None = None,
) -> tuple[Codes, Scalar]:
    """Gradient of the objective with respect to the codes of one class.

    Args:
        decoder: see `both_seen`, as for all arguments not described here.
        objective: the distance.
        preprocessing: augmentation and normalisation.
        view: the network being matched.
        codes: of the class.
        labels: of its stored images.
        real: real images of the class.
        draws: of the augmentations.
        kept: positions of the decoded images.

    Returns:
        The gradient of each code, and the distance.
    """

    def distance(codes: Codes) -> Scalar:
        return objective.distance(view, *both_seen(decoder, preprocessing, codes, labels, real, draws, kept))

    if view.mapped:
        return torch.func.grad_and_value(distance)(codes)
    leaves = {name: code.detach().requires_grad_() for name, code in codes.items()}
    value = distance(leaves)
    # Zero for soft labels if the objective ignores labels, as with torch.func.
    gradients = torch.autograd.grad(value, tuple(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True)), value.detach()
