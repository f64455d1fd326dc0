"""Real images that represent their class, by k-means over its features."""

from typing import Annotated, Literal, final

from pydantic import Field, model_validator

from idc.kinds import Indices, Network, Sampler, Split, Streams
from idc.stages import papers
from idc.stages.samplers.decoded import at_most
from idc.training.k_means import Clustering


@final
class KMeans(Clustering, Sampler):
    """The images nearest to the centres of a k-means clustering of their class (DREAM, ICCV 2023).

    Every `interval` inner steps each class's images are clustered by the features of the network being
    matched; in between, the same images are used. The public code differs in two things: see `normalised` and
    `empty`.
    """

    bibtex = papers.DREAM

    type: Literal["k-means"] = "k-means"
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Real images per class in an inner step, `per_cluster` from each cluster; all of a smaller class."""
    interval: Annotated[int, Field(ge=1)] = 10
    """Inner steps between two clusterings."""
    layer: int = -1
    """Layer whose features are clustered: index from 0, or negative from the last before the logits."""
    max_synthetic: Annotated[int, Field(ge=1)] = 128
    """Maximum number of decoded images per class in an inner step; if there are more, they are drawn."""

    @model_validator(mode="after")
    def _whole_clusters(self) -> "KMeans":
        if self.batch_size % self.per_cluster:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of per_cluster {self.per_cluster}; change "
                "one of them"
            )
        return self

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
        """The images nearest to the centres of the class's clusters.

        Raises:
            InputError: the network has no such layer.
        """
        generator = streams.generator("k-means", step)
        return self.selected(self.batch_size, network, real, members, generator, self.layer, "sampler.layer")
