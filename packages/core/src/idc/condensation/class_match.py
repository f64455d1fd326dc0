"""One class matched in one inner step: a pure function from codes to their gradient."""

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
    """Real images and those that codes decode to as the network sees them: augmented alike and normalised.

    Args:
        decoder: makes training images of the codes.
        preprocessing: normalises and augments real and synthetic images with the same draws (siamese).
        codes: the class's stored tensors and the shared ones.
        labels: label of each stored image.
        real: real images of the class in the dataset's value range.
        draws: siamese draws of the augmentations.
        kept: which decoded images take part; all by default.
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
        decoder: as in `both_seen`, like all that is not said here.
        objective: measures the distance.
        preprocessing: normalises and augments.
        view: the network being matched.
        codes: of one class.
        labels: of its stored images.
        real: images of the class.
        draws: of the augmentations.
        kept: of the decoded images.

    Returns:
        The gradient for each of the codes, and the distance.
    """

    def distance(codes: Codes) -> Scalar:
        return objective.distance(view, *both_seen(decoder, preprocessing, codes, labels, real, draws, kept))

    if view.mapped:
        return torch.func.grad_and_value(distance)(codes)
    leaves = {name: code.detach().requires_grad_() for name, code in codes.items()}
    value = distance(leaves)
    # Zero for soft labels where the objective ignores labels, as torch.func has it.
    gradients = torch.autograd.grad(value, tuple(leaves.values()), materialize_grads=True)
    return dict(zip(leaves, gradients, strict=True)), value.detach()
