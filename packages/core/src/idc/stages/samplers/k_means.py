"""Real images that represent their class: k-means over its features, again and again."""

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from idc.kinds import Indices, Network, Sampler, Split, Streams
from idc.training.embedding import embed

MAX_ROUNDS = 100
"""Rounds of Lloyd's algorithm."""
TOLERANCE = 1e-4
"""Squared movement of all centres together at which it ends."""


@final
class KMeans(Sampler):
    """The images nearest to the centres of a k-means clustering of their class (DREAM, ICCV 2023).

    Every `interval` inner steps each class's images are clustered by the features of the network being
    matched; until the next time the same images are taken. Unlike in the public code, images are normalised,
    and a cluster that loses all its images starts again at the image farthest from any centre.
    """

    type: Literal["k-means"] = "k-means"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Real images of a class in an inner step, one from each cluster; a smaller class is taken whole."""
    interval: Annotated[int, Field(ge=1)] = 10
    """Inner steps between two clusterings."""
    layer: int = -1
    """Layer whose features are clustered, counted from 0, or from -1 for the last before the logits."""
    max_images: Annotated[int, Field(ge=1)] | None = None
    """Images of a class that are clustered, drawn anew each time; all by default."""
    max_synthetic: Annotated[int, Field(ge=1)] = 128
    """Decoded images of a class in an inner step; of more, this many are drawn each time."""

    def real(
        self, members: Indices, step: int, streams: Streams, refreshed: Indices | None = None
    ) -> Indices:
        """What `refresh` selected; before a run, the first images."""
        return members[: self.batch_size] if refreshed is None else refreshed

    def synthetic(self, count: int, step: int, streams: Streams) -> Indices | None:
        """All of them, or ``max_synthetic`` drawn without replacement."""
        if count <= self.max_synthetic:
            return None
        return torch.randperm(count, generator=streams.generator("synthetic", step))[: self.max_synthetic]

    def refreshes(self, step: int) -> bool:
        """Every `interval` inner steps."""
        return step % self.interval == 0

    def refresh(
        self, members: Indices, real: Split, network: Network, step: int, streams: Streams
    ) -> Indices:
        """The image nearest to the centre of each of `batch_size` clusters.

        Raises:
            InputError: the network has no such layer.
        """
        generator = streams.generator("k-means", step)
        order = torch.randperm(len(members), generator=generator)
        some = members[order[: max(self.max_images or len(members), self.batch_size)]]
        if len(some) <= self.batch_size:
            return some
        features = embed(network, real, some, self.layer, "sampler.layer")
        first = torch.randperm(len(some), generator=generator)[: self.batch_size]
        return some[nearest(features, clustered(features, first.to(features.device))).cpu()]


def clustered(features: Float[Tensor, "n d"], first: Int[Tensor, " k"]) -> Float[Tensor, "k d"]:
    """Centres by Lloyd's algorithm.

    Args:
        features: of the images.
        first: positions of the images that are the first centres.
    """
    centers = features[first]
    for _ in range(MAX_ROUNDS):
        distances = torch.cdist(features, centers)
        nearest_distances, labels = distances.min(1)
        counts = torch.bincount(labels, minlength=len(centers))
        sums = torch.zeros_like(centers).index_add_(0, labels, features)
        moved = sums / counts.clamp(min=1)[:, None]
        empty = (counts == 0).nonzero().flatten()
        if len(empty):
            moved[empty] = features[nearest_distances.topk(len(empty)).indices]
        movement = ((moved - centers) ** 2).sum()
        centers = moved
        if movement <= TOLERANCE:
            break
    return centers


def nearest(features: Float[Tensor, "n d"], centers: Float[Tensor, "k d"]) -> Int[Tensor, " k"]:
    """For each centre the position of the nearest image that is not nearest to an earlier centre."""
    distances = torch.cdist(centers, features)
    chosen: list[Tensor] = []
    for row in distances:
        position = row.argmin()
        chosen.append(position)
        distances[:, position] = torch.inf
    return torch.stack(chosen)
