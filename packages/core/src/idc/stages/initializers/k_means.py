"""Codes that pack real images which represent their class, by k-means over its features."""

from typing import Annotated, Literal, final

from pydantic import Field

from idc.kinds import Codes, Decoder, Initializer, InputError, Model, Split, Streams
from idc.stages import papers
from idc.stages.initializers.features import Features
from idc.training.k_means import Clustering


class UntrainedFeatures(Features):
    """`Features` of a network that is by default not trained."""

    epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs of training on the real data; 0 for a network with random weights."""

    @classmethod
    def title(cls) -> str:
        """As that of `Features`."""
        return Features.title()


@final
class KMeans(Clustering, Initializer):
    """The images nearest to the centres of a k-means clustering of their class (DREAM, ICCV 2023).

    As many as the decoder has capacity for, in the order of the clusters.
    """

    bibtex = papers.DREAM

    type: Literal["k-means"] = "k-means"
    features: UntrainedFeatures = UntrainedFeatures()
    """Features by which images are clustered."""

    def codes(
        self, decoder: Decoder, images_per_class: int, real: Split, model: Model, streams: Streams
    ) -> Codes:
        """As many selected real images of each class as the decoder can pack, encoded by it.

        Raises:
            InputError: that number is not a multiple of `per_cluster`, or a class has fewer images.
        """
        count = decoder.capacity(images_per_class, real.spec)
        if count % self.per_cluster:
            raise InputError(
                f"init.per_cluster: decoder {decoder.type!r} packs {count} images of a class, which is not a "
                f"multiple of {self.per_cluster}; set init.per_cluster = 1"
            )
        network = self.features.network(model, real, streams)
        chosen = [
            self.selected(
                count,
                network,
                real,
                members,
                streams.generator("k-means", label),
                self.features.layer,
                "init.features.layer",
            )
            for label, members in enumerate(real.members)
        ]
        purpose = f"init 'k-means' with decoder {decoder.type!r}"
        images = real.first_of_each_class(chosen, count, images_per_class, purpose)
        return decoder.encode(images, images_per_class, real.spec, streams.child("decoder"))
