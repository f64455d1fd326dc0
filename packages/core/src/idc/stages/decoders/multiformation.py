"""IDC's parameterization: each stored image is cut into tiles, and each tile is upsampled to full size."""

from collections.abc import Iterable
from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from idc.kinds import Batch, ClassNumbers, Codes, Decoder, ImageSpec, InputError, StoredImages, Streams
from idc.stages import papers
from idc.stages.decoders.tiles import (
    Axis,
    Order,
    Packing,
    enlarged_tiles,
    fits,
    pack,
    refuse_unfit_factor,
    sides,
)

Mode = Literal["single", "multi", "bound"]


@final
class MultiFormation(Decoder):
    """``factor²`` training images from every stored one (IDC, section 3, multi-formation framework).

    ``mode`` selects the factors:

    - ``single``: ``factor`` for every stored image;
    - ``multi``: every factor from 1 to ``factor`` for every stored image;
    - ``bound``: the largest factor for as many stored images as ``bound`` allows, then the next smaller one,
      and so on.
    """

    bibtex = papers.IDC

    type: Literal["multiformation"] = "multiformation"
    factor: Annotated[int, Field(ge=1)] = 2
    """Tiles along each side."""
    mode: Mode = "single"
    """Factors used: ``single`` for `factor`, ``multi`` for all up to it, ``bound`` for the largest within
    `bound`."""
    evaluate: Mode | None = None
    """Mode for training networks on the finished synset; `mode` by default."""
    bound: Annotated[int, Field(ge=1)] = 128
    """Maximum number of training images per class in mode ``bound``."""
    axis: Axis = "both"
    """``time`` cuts only the width into ``factor`` tiles, for spectrograms (IDC's code for speech)."""
    padding: float = 0.5
    """Padding value if ``factor`` does not divide a side; for spectrograms, use their lowest value."""
    order: Order = "rows"
    """Order of the tiles: row by row (IDC), or column by column (IDM, CVPR 2023)."""
    packing: Packing = "nearest"
    """How real images are made as small as a tile: ``nearest`` neighbour (IDC), or the ``mean`` of the
    pixels that become one (IDM), for sides that ``factor`` divides."""

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        """One real image per tile.

        Raises:
            InputError: ``factor`` is larger than the image, the last tiles would contain only padding
                (those of a smaller factor too if the mode uses it), ``packing`` needs sides that ``factor``
                divides, or ``bound`` is less than ``images_per_class``.
        """
        refuse_unfit_factor(self.factor, spec, self.axis)
        self._refuse_unfit_packing(spec)
        if "bound" in (self.mode, self.evaluate) and self.bound < images_per_class:
            raise InputError(
                f"decoder.bound: {self.bound} is less than images_per_class = {images_per_class}; set it to "
                f"at least {images_per_class}, because every stored image gives at least one"
            )
        self._refuse_unfit_smaller_factors(images_per_class, spec)
        return images_per_class * self._tiles(self.factor)

    def encode(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        """``images_per_class`` images unchanged, or one image per tile, downsampled by nearest neighbour.

        Tile k (row by row) of stored image q is real image ``k · images_per_class + q``, as in the public
        code. There the tile sizes differ from those of `decode` if ``size mod factor`` is neither 0 nor
        ``factor - 1``. This is reproduced, so that seams can be off by some pixels. `order` and
        `packing` change the order of the tiles and the downsampling.
        """
        if images.shape[1] == images_per_class:
            return {"images": images}
        rows = self.factor if self.axis == "both" else 1
        return {"images": pack(images, rows, self.factor, self.order, self.packing)}

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        """Tiles upsampled bilinearly: the top left tile of every stored image, then the next, in `order`."""
        blocks: list[Batch] = []
        for images, block_labels, factor in self._blocks(codes, labels):
            rows = factor if self.axis == "both" else 1
            enlarged = enlarged_tiles(images, rows, factor, self.padding, self.order)
            blocks.append(Batch(enlarged, block_labels.repeat(self._tiles(factor))))
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

    def _refuse_unfit_smaller_factors(self, images_per_class: int, spec: ImageSpec) -> None:
        in_use: dict[Mode, Iterable[int]] = {
            "single": (),
            "multi": range(1, self.factor),
            "bound": [factor for factor, _ in self._bounded(images_per_class)],
        }
        factors = {factor for mode in (self.mode, self.evaluate or self.mode) for factor in in_use[mode]}
        unfit = [factor for factor in factors if not fits(factor, spec, self.axis)]
        if unfit:
            raise InputError(
                f"decoder.factor: with {self.factor}, modes 'multi' and 'bound' also use {min(unfit)}, which "
                f"leaves tiles without pixels of the image ({spec.height}x{spec.width} pixels); set it below "
                f"{min(unfit)}, or mode and evaluate to 'single'"
            )

    def _refuse_unfit_packing(self, spec: ImageSpec) -> None:
        cut = sides(spec, self.axis)
        if self.packing == "nearest" or not any(side % self.factor for side in cut):
            return
        divisors = (each for each in range(1, min(cut) + 1) if not any(side % each for side in cut))
        raise InputError(
            f"decoder.packing: 'mean' needs sides that factor = {self.factor} divides, but the image has "
            f"{spec.height}x{spec.width} pixels; set packing = 'nearest', or factor to one of "
            f"{', '.join(map(str, divisors))}"
        )

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
        # As in the public code, one image is reserved for every remaining stored image, including those
        # decoded with this factor, so that fewer than `bound` images may result.
        parts: list[tuple[int, int]] = []
        made = 0
        for factor in range(self.factor, 0, -1):
            allowed = (self.bound - made - stored) // self._tiles(factor)
            count = stored if factor == 1 else min(allowed, stored)
            if count > 0:
                parts.append((factor, count))
                made += count * self._tiles(factor)
                stored -= count
        return parts
