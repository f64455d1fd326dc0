"""One class matched in one inner step: a pure function from codes to their gradient."""

from collections.abc import Sequence

import torch

from idc.kinds import Decoder, Objective
from idc.network import NetworkView
from idc.preprocessing import Preprocessing
from idc.shapes import Batch, Codes, Draw, Indices, Labels, Scalar


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
        decoder: makes training images of the codes.
        objective: measures the distance.
        preprocessing: normalises and augments real and synthetic images with the same draws (siamese).
        view: the network that both are seen through.
        codes: the class's stored tensors and the shared ones.
        labels: label of each stored image.
        real: real images of the class in the dataset's value range.
        draws: siamese draws of the augmentations.
        kept: which decoded images take part; all by default.

    Returns:
        The gradient for each of the codes, and the distance.
    """

    def distance(codes: Codes) -> Scalar:
        syn = decoder.decode(codes, labels)
        if kept is not None:
            syn = Batch(syn.images[kept], syn.labels[kept])
        return objective.distance(
            view,
            Batch(preprocessing(real.images, draws), real.labels),
            Batch(preprocessing(syn.images, draws), syn.labels),
        )

    if view.mapped:
        return torch.func.grad_and_value(distance)(codes)
    leaves = {name: code.detach().requires_grad_() for name, code in codes.items()}
    value = distance(leaves)
    gradients = torch.autograd.grad(value, tuple(leaves.values()))
    return dict(zip(leaves, gradients, strict=True)), value.detach()
