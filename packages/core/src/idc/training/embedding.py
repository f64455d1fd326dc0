"""Features of real images, for stages that select images by them."""

import torch
from jaxtyping import Float
from torch import Tensor

from idc.data.split import Split
from idc.network.network import Network
from idc.network.view import layer_of
from idc.shapes import Indices
from idc.training.preprocessing import Preprocessing

BATCH_SIZE = 500
"""Images per forward pass."""


@torch.no_grad()
def embed(
    network: Network,
    real: Split,
    members: Indices,
    layer: int = -1,
    field: str = "layer",
    *,
    normalised: bool = True,
) -> Float[Tensor, "members features"]:
    """Flattened float64 features of images without augmentation, on the split's device.

    Args:
        network: used in evaluation mode.
        real: the training split.
        members: positions of the images.
        layer: index from 0, or negative from the last before the logits.
        field: the pipeline's key for `layer`, for messages.
        normalised: whether the network gets normalised images rather than the dataset's values.

    Raises:
        InputError: the network has no such layer.
    """
    preprocessing = Preprocessing(real.spec, device=real.device)
    found: list[Tensor] = []
    with network.evaluating():
        for batch in members.split(BATCH_SIZE):
            images = real.images(batch)
            layers = network.features(preprocessing(images) if normalised else images)
            found.append(layer_of(layers, layer, field).flatten(1).double())
    return torch.cat(found)
