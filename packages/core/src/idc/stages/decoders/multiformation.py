"""IDC's parameterization: each stored image is cut into tiles, and every tile is enlarged to a full image."""

from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Batch, Codes, Decoder, ImageSpec, InputError, Labels, StoredImages
from idc.stages.decoders.tiles import enlarged_tiles, fills, pack

Mode = Literal["single", "multi", "bound"]


@final
class MultiFormation(Decoder):
    """``factor²`` training images from every stored one (IDC, section 3, multi-formation framework).

    ``mode`` says which factors are used:

    - ``single``: ``factor`` for every stored image;
    - ``multi``: every factor from 1 to ``factor`` for every stored image;
    - ``bound``: the largest factor for as many stored images as a class's ``bound`` allows, then the next
      smaller one for the rest, and so on.
    """

    type: Literal["multiformation"] = "multiformation"
    factor: Annotated[int, Field(ge=1)] = 2
    """Tiles along each side."""
    mode: Mode = "single"
    """Which factors are used: ``factor`` alone, all up to it, or the largest that the bound allows."""
    evaluate: Mode | None = None
    """Mode in which networks are trained on the finished synset; as while matching by default."""
    bound: Annotated[int, Field(ge=1)] = 128
    """Training images of a class in the mode ``bound``, at most."""
    axis: Literal["both", "time"] = "both"
    """``time`` cuts the width alone into ``factor`` tiles, for spectrograms (IDC's code for speech)."""
    padding: float = 0.5
    """Fills what the last tiles lack where the factor does not divide a side; for spectrograms, the low end
    of their values."""

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        """``images_per_class`` times the tiles of an image: one real image for each tile.

        Raises:
            InputError: the factor is larger than the image, its last tiles would be padding only, or the
                bound is smaller than ``images_per_class``.
        """
        sides = (spec.height, spec.width) if self.axis == "both" else (spec.width,)
        if not all(fills(side, self.factor) for side in sides):
            problem = "is larger than" if self.factor > min(sides) else "leaves tiles of padding only in"
            allowed = [f for f in range(1, min(sides) + 1) if all(fills(side, f) for side in sides)]
            raise InputError(
                f"decoder.factor: {self.factor} {problem} the image ({spec.height}x{spec.width} pixels); "
                f"allowed are {', '.join(map(str, allowed))}"
            )
        if "bound" in (self.mode, self.evaluate) and self.bound < images_per_class:
            raise InputError(
                f"decoder.bound: {self.bound} is less than images_per_class = {images_per_class}; every "
                f"stored image gives one at least, so allowed are {images_per_class} and more"
            )
        return images_per_class * self._tiles(self.factor)

    def encode(self, images: StoredImages, images_per_class: int) -> Codes:
        """Whole images as they are; as many as there are tiles, shrunk to tiles by nearest neighbour.

        Tile k (row by row) of stored image q is real image ``k · images_per_class + q``, as in the public
        code, whose rule for tile sizes here differs from that of `decode` where ``size mod factor`` is
        neither 0 nor ``factor - 1``; both are kept, so seams can be some pixels off.
        """
        if images.shape[1] == images_per_class:
            return {"images": images}
        rows = self.factor if self.axis == "both" else 1
        return {"images": pack(images, rows, self.factor)}

    def decode(self, codes: Codes, labels: Labels) -> Batch:
        """Tiles enlarged bilinearly: first the top left tile of every stored image, and so on row by row."""
        blocks: list[Batch] = []
        for images, of_block, factor in self._blocks(codes, labels):
            rows = factor if self.axis == "both" else 1
            enlarged = enlarged_tiles(images, rows, factor, self.padding)
            blocks.append(Batch(enlarged, of_block.repeat(self._tiles(factor))))
        if len(blocks) == 1:
            return blocks[0]
        return Batch(
            torch.cat([block.images for block in blocks]), torch.cat([block.labels for block in blocks])
        )

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        """Pixels clamped to the value range."""
        return {"images": codes["images"].clamp(spec.low, spec.high)}

    def for_evaluation(self) -> "MultiFormation":
        """This decoder in the mode `evaluate`."""
        return self.model_copy(update={"mode": self.evaluate or self.mode})

    def _tiles(self, factor: int) -> int:
        return factor**2 if self.axis == "both" else factor

    def _blocks(self, codes: Codes, labels: Tensor) -> list[tuple[Tensor, Tensor, int]]:
        images = codes["images"]
        match self.mode:
            case "single":
                return [(images, labels, self.factor)]
            case "multi":
                return [(images, labels, factor) for factor in range(1, self.factor + 1)]
            case "bound":
                blocks: list[tuple[Tensor, Tensor, int]] = []
                first = 0
                for factor, count in self._bounded(len(images)):
                    part = slice(first, first + count)
                    blocks.append((images[part], labels[part], factor))
                    first += count
                return blocks

    def _bounded(self, stored: int) -> list[tuple[int, int]]:
        # The public code keeps one image in reserve for every stored one that is left, those being
        # decoded included, so the bound is not always filled as far as it could be.
        parts: list[tuple[int, int]] = []
        made = 0
        for factor in range(self.factor, 0, -1):
            room = (self.bound - made - stored) // self._tiles(factor)
            count = stored if factor == 1 else min(room, stored)
            if count > 0:
                parts.append((factor, count))
                made += count * self._tiles(factor)
                stored -= count
        return parts
