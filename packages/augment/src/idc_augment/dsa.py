"""Differentiable augmentation as IDC and as DSA compose it."""

import math
from typing import Annotated, Literal, final

import torch
from pydantic import Field, field_validator
from torch import Generator, Tensor

from idc.kinds import Augmentation
from idc.shapes import Draw, Images
from idc_augment import operations

COLOR = ("brightness", "saturation", "contrast")
SPATIAL = ("crop", "scale", "rotate", "translate")
TOKENS = ("flip", "color", *SPATIAL, "cutout")

Share = Annotated[float, Field(ge=0, le=1)]


@final
class DSA(Augmentation):
    """Flip, colour, one spatial operation and cutout, drawn anew for each batch.

    Which of the operations in ``strategy`` are applied is up to ``mode``:

    - ``idc``: flip, colour and cutout whenever listed, in this order, and between colour and cutout exactly
      one of the spatial ones, the same for the whole batch (IDC's DiffAug);
    - ``single``: one of the listed, the same for the whole batch (DSA, section 3);
    - ``all``: each of the listed, in their order.
    """

    type: Literal["dsa"] = "dsa"
    strategy: str = "color_crop_cutout"
    """Operations joined by underscores: flip, color, crop, scale, rotate, translate, cutout."""
    mode: Literal["idc", "single", "all"] = "idc"
    flip: Share = 0.5
    """Probability of a mirror image."""
    brightness: Annotated[float, Field(ge=0)] = 1.0
    """Width of the interval about 0 that the offset is drawn from, in standard deviations of the data."""
    saturation: Annotated[float, Field(ge=0)] = 2.0
    """The factor is drawn from 0 to this."""
    contrast: Annotated[float, Field(ge=0)] = 0.5
    """The factor is drawn from this to this plus 1."""
    crop: Share = 0.125
    """Largest shift, as a share of the image's side; also of ``translate``."""
    scale: Annotated[float, Field(ge=1)] = 1.2
    """Height and width are scaled by independent factors between its inverse and this."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Largest angle, in degrees."""
    cutout: Share = 0.5
    """Side of the box, as a share of the image's side."""

    @field_validator("strategy")
    @classmethod
    def _known_operations(cls, strategy: str) -> str:
        tokens = strategy.split("_")
        unknown = [token for token in tokens if token not in TOKENS]
        if unknown or len(set(tokens)) < len(tokens):
            raise ValueError(
                f"{strategy!r} must be different operations joined by underscores, out of {', '.join(TOKENS)}"
            )
        return strategy

    def draw(self, count: int, shape: tuple[int, int, int], generator: Generator) -> Draw:
        """Which operations, and the parameters of each."""
        parameters: dict[str, Tensor] = {}
        applied = self._operations(generator)
        for operation in applied:
            for name, tensor in self._parameters(operation, count, shape, generator).items():
                parameters[f"{operation}.{name}"] = tensor
        return Draw(parameters, applied)

    def apply(self, images: Images, draw: Draw) -> Images:
        """The drawn operations, in their order."""
        for operation in draw.operations:
            given = {
                name.removeprefix(f"{operation}."): tensor
                for name, tensor in draw.parameters.items()
                if name.startswith(f"{operation}.")
            }
            images = self._apply(operation, images, given)
        return images

    def _operations(self, generator: Generator) -> tuple[str, ...]:
        tokens = self.strategy.split("_")
        match self.mode:
            case "all":
                chosen = tokens
            case "single":
                chosen = [_one_of(tokens, generator)]
            case "idc":
                pool = [token for token in tokens if token in SPATIAL]
                chosen = [token for token in ("flip", "color") if token in tokens]
                chosen += [_one_of(pool, generator)] if pool else []
                chosen += ["cutout"] if "cutout" in tokens else []
        return tuple(name for token in chosen for name in (COLOR if token == "color" else (token,)))

    def _parameters(
        self, operation: str, count: int, shape: tuple[int, int, int], generator: Generator
    ) -> dict[str, Tensor]:
        _, height, width = shape

        def uniform(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=generator)

        def integers(low: int, high: int) -> Tensor:
            return torch.randint(low, high + 1, (count,), generator=generator)

        match operation:
            case "flip":
                return {"mask": uniform(0.0, 1.0) < self.flip}
            case "brightness":
                return {"offset": uniform(-self.brightness / 2, self.brightness / 2)}
            case "saturation":
                return {"factor": uniform(0.0, self.saturation)}
            case "contrast":
                return {"factor": uniform(self.contrast, self.contrast + 1)}
            case "crop" | "translate":
                rows, columns = _rounded(height * self.crop), _rounded(width * self.crop)
                rows = rows if operation == "crop" else 0
                return {"rows": integers(-rows, rows), "columns": integers(-columns, columns)}
            case "cutout":
                rows, columns = self._box(shape)
                # A box of even side is centred between pixels, which gives it one position more.
                return {
                    "row": integers(0, height - rows % 2),
                    "column": integers(0, width - columns % 2),
                }
            case "scale":
                x, y = uniform(1 / self.scale, self.scale), uniform(1 / self.scale, self.scale)
                return {"theta": _matrix(x, torch.zeros_like(x), torch.zeros_like(x), y)}
            case _:
                angle = uniform(-math.radians(self.rotate), math.radians(self.rotate))
                return {"theta": _matrix(angle.cos(), -angle.sin(), angle.sin(), angle.cos())}

    def _apply(self, operation: str, images: Images, given: dict[str, Tensor]) -> Images:
        match operation:
            case "flip":
                return operations.flip(images, given["mask"])
            case "brightness":
                return operations.brightness(images, given["offset"])
            case "saturation":
                return operations.saturation(images, given["factor"])
            case "contrast":
                return operations.contrast(images, given["factor"])
            case "crop" | "translate":
                return operations.shift(images, given["rows"], given["columns"])
            case "cutout":
                height, width = self._box((images.shape[1], images.shape[2], images.shape[3]))
                return operations.cutout(images, given["row"], given["column"], height, width)
            case _:
                return operations.affine(images, given["theta"])

    def _box(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        return _rounded(shape[1] * self.cutout), _rounded(shape[2] * self.cutout)


def _one_of(tokens: list[str], generator: Generator) -> str:
    return tokens[int(torch.randint(len(tokens), (), generator=generator))]


def _rounded(length: float) -> int:
    return int(length + 0.5)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    zero = torch.zeros_like(a)
    return torch.stack([a, b, zero, c, d, zero], 1).view(-1, 2, 3)
