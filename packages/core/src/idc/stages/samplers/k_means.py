"""Real images that represent their class, by k-means over its features."""

from typing import Annotated, Literal, final

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from idc.kinds import Indices, Network, Sampler, Split, Streams
from idc.stages.samplers.decoded import at_most
from idc.training.embedding import embed

MAX_ROUNDS = 100
"""Maximum rounds of Lloyd's algorithm."""
TOLERANCE = 1e-4
"""Lloyd's algorithm stops when the squared movement of all centres together is at most this."""


@final
class KMeans(Sampler):
    """The images nearest to the centres of a k-means clustering of their class (DREAM, ICCV 2023).

    Every `interval` inner steps each class's images are clustered by the features of the network being
    matched; in between, the same images are used. Unlike in the public code, images are normalised, and an
    empty cluster restarts at the image farthest from its centre.
    """

    type: Literal["k-means"] = "k-means"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Real images per class in an inner step, one from each cluster; all of a smaller class."""
    interval: Annotated[int, Field(ge=1)] = 10
    """Inner steps between two clusterings."""
    layer: int = -1
    """Layer whose features are clustered: index from 0, or negative from the last before the logits."""
    max_images: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of images per class to cluster, drawn for each clustering; all by default."""
    max_synthetic: Annotated[int, Field(ge=1)] = 128
    """Maximum number of decoded images per class in an inner step; if there are more, they are drawn."""

    def real(
        self, members: Indices, step: int, streams: Streams, refreshed: Indices | None = None
    ) -> Indices:
        """What `refresh` selected; before a run, the first images."""
        return members[: self.batch_size] if refreshed is None else refreshed

    def synthetic(self, count: int, step: int, streams: Streams) -> Indices | None:
        """All of them, or ``max_synthetic`` drawn without replacement."""
        return at_most(self.max_synthetic, count, step, streams)

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
        first: positions of the images used as initial centres.
    """
    centers = features[first]
    for _ in range(MAX_ROUNDS):
        distances = torch.cdist(features, centers)
        nearest_distances, labels = distances.min(1)
        counts = torch.bincount(labels, minlength=len(centers))
        # Not index_add_, whose sums on a GPU are in any order, and so not the same bits each time.
        sums = nn.functional.one_hot(labels, len(centers)).to(features.dtype).T @ features
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
    """For each centre, the position of the nearest image not selected for an earlier centre."""
    distances = torch.cdist(centers, features)
    chosen: list[Tensor] = []
    for row in distances:
        position = row.argmin()
        chosen.append(position)
        distances[:, position] = torch.inf
    return torch.stack(chosen)
