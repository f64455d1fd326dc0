"""Images and their mirror images while matching; only the images are stored and scored."""

from typing import Annotated, Literal, final

import torch
from pydantic import Field

from idc.kinds import Batch, ClassNumbers, Codes, Decoder, ImageSpec, StoredImages, Streams
from idc.stages import papers
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.decoders.raw import Raw


@final
class Mirror(Decoder):
    """Each image followed by its mirror image along the width (FYI, ECCV 2024).

    With `factor` above 1, the tiles that `multiformation` makes and their mirror images. Networks that score
    the synset see no mirror images, as published; their training may flip at random.
    """

    bibtex = papers.FYI

    type: Literal["mirror"] = "mirror"
    factor: Annotated[int, Field(ge=1)] = 1
    """Tiles along each side of a stored image."""

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        """One real image per tile.

        Raises:
            InputError: `factor` does not fit such images.
        """
        return self._tiles().capacity(images_per_class, spec)

    def encode(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """``images_per_class`` images unchanged, or one image per tile, as with `multiformation`."""
        return self._tiles().encode(images, images_per_class, spec, streams)

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        """All images or tiles, then all of them mirrored."""
        batch = self._tiles().decode(codes, labels, spec)
        return Batch(torch.cat([batch.images, batch.images.flip(-1)]), batch.labels.repeat(2))

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        """Pixels clamped to the value range."""
        return self._tiles().project(codes, spec)

    def for_evaluation(self) -> Decoder:
        """The decoder without mirror images: `raw`, or `multiformation` with this `factor`."""
        return Raw() if self.factor == 1 else self._tiles()

    def _tiles(self) -> MultiFormation:
        return MultiFormation(factor=self.factor)
