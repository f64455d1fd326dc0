"""Real images that represent their class, by k-means over its features."""

from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Generator, Tensor, nn

from idc.data.split import Split
from idc.network.network import Network
from idc.shapes import Indices
from idc.table import Table
from idc.training.embedding import embed

MAX_ROUNDS = 100
"""Maximum rounds of Lloyd's algorithm."""
TOLERANCE = 1e-4
"""Lloyd's algorithm stops when the squared movement of all centres together is at most this."""

Empty = Literal["farthest", "zero"]
"""Where the centre of an empty cluster goes: to the image farthest from its own centre, or to the origin."""


class Clustering(Table):
    """How a class's images are clustered, and which of them are selected."""

    per_cluster: Annotated[int, Field(ge=1)] = 1
    """Images selected from each cluster: those nearest to its centre."""
    max_images: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of images per class to cluster, drawn for each clustering; all by default."""
    normalised: bool = True
    """Whether the network gets normalised images. DREAM's code clusters features of images that are not."""
    empty: Empty = "farthest"
    """What becomes of an empty cluster. ``farthest``: it restarts at the image farthest from its own centre,
    and no image is selected twice. ``zero``, as in DREAM's code: its centre is the origin, initial centres
    are drawn with replacement, and an image is selected once for each centre that it is nearest to."""

    def selected(
        self,
        count: int,
        network: Network,
        real: Split,
        members: Indices,
        generator: Generator,
        layer: int,
        field: str,
    ) -> Indices:
        """Images of a class that are nearest to the centres of its clusters.

        Args:
            count: number of images, a multiple of `per_cluster`.
            network: used in evaluation mode.
            real: the training split.
            members: positions of the class's images.
            generator: of the images to cluster and the initial centres.
            layer: whose features are clustered, as in `embed`.
            field: the pipeline's key for `layer`, for messages.

        Returns:
            ``count`` positions, cluster by cluster, on the CPU; all members if there are not more.

        Raises:
            InputError: the network has no such layer.
        """
        order = torch.randperm(len(members), generator=generator)
        some = members[order[: max(self.max_images or len(members), count)]]
        if len(some) <= count:
            # So that a layer that does not exist is refused whatever the number of images.
            embed(network, real, some[:1], layer, field, normalised=self.normalised)
            return some
        features = embed(network, real, some, layer, field, normalised=self.normalised)
        clusters, repeats = count // self.per_cluster, self.empty == "zero"
        first = (
            torch.randint(len(some), (clusters,), generator=generator)
            if repeats
            else torch.randperm(len(some), generator=generator)[:clusters]
        )
        centers = clustered(features, first.to(features.device), self.empty)
        return some[nearest(features, centers, self.per_cluster, repeats=repeats).cpu()]


def clustered(
    features: Float[Tensor, "n d"], first: Int[Tensor, " k"], empty: Empty = "farthest"
) -> Float[Tensor, "k d"]:
    """Centres by Lloyd's algorithm.

    Args:
        features: of the images.
        first: positions of the images used as initial centres.
        empty: where the centre of a cluster without images goes.
    """
    centers = features[first]
    for _ in range(MAX_ROUNDS):
        nearest_distances, labels = torch.cdist(features, centers).min(1)
        counts = torch.bincount(labels, minlength=len(centers))
        # Not index_add_, whose sums on a GPU are in any order, and so not the same bits each time.
        sums = nn.functional.one_hot(labels, len(centers)).to(features.dtype).T @ features
        moved = sums / counts.clamp(min=1)[:, None]
        lost = (counts == 0).nonzero().flatten()
        if empty == "farthest" and len(lost):
            moved[lost] = features[nearest_distances.topk(len(lost)).indices]
        movement = ((moved - centers) ** 2).sum()
        centers = moved
        if movement <= TOLERANCE:
            break
    return centers


def nearest(
    features: Float[Tensor, "n d"],
    centers: Float[Tensor, "k d"],
    per_center: int = 1,
    *,
    repeats: bool = False,
) -> Int[Tensor, " chosen"]:
    """The images nearest to each centre, centre by centre.

    Args:
        features: of the images.
        centers: of the clusters.
        per_center: number of images for each.
        repeats: whether an image may be selected for several centres; else it is for the earliest alone.
    """
    distances = torch.cdist(centers, features)
    chosen: list[Tensor] = []
    for row in distances:
        # Sorted stably, because topk may return equal distances in any order.
        positions = row.argsort(stable=True)[:per_center]
        chosen.append(positions)
        if not repeats:
            distances[:, positions] = torch.inf
    return torch.cat(chosen)


def most_central(
    features: Float[Tensor, "n d"], centers: Float[Tensor, "k d"], count: int
) -> Int[Tensor, " count"]:
    """The images with the smallest distance to the centre nearest to them (DREAM for Tiny-ImageNet).

    Args:
        features: of the images.
        centers: of the clusters.
        count: number of images.
    """
    return torch.cdist(features, centers).amin(1).argsort(stable=True)[:count]
