"""Differentiable augmentation as IDC and as DSA compose it."""

import math
from typing import Annotated, Literal, final

import torch
from pydantic import Field, field_validator
from torch import Generator, Tensor

from idc.kinds import Augmentation, Draw, Images
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
    """Which of the listed operations are applied: as in IDC's code, a single one, or all."""
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
        """The parameters of every operation that may be applied and, where there is a choice, which are.

        An operation's parameters are named ``operation.name``, those of the first to be applied first.
        """
        parameters: dict[str, Tensor] = {}
        always, choice = self._candidates()
        chosen = _one_of(choice, generator) if choice else ()
        for operation in self._in_order():
            applied = operation in always or operation in chosen
            # Those that are not applied get parameters too, so that every draw is the same computation.
            source = generator if applied else Generator()
            for name, tensor in self._parameters(operation, count, shape, source).items():
                parameters[f"{operation}.{name}"] = tensor
            if len(choice) > 1 and operation not in always:
                parameters[f"{operation}.chosen"] = torch.full((count,), applied)
        return Draw(parameters)

    def apply(self, images: Images, draw: Draw) -> Images:
        """The drawn operations, in their order."""
        for operation in dict.fromkeys(name.partition(".")[0] for name in draw.parameters):
            given = draw.part(operation)
            changed = self._apply(operation, images, given)
            images = operations.chosen(given["chosen"], changed, images) if "chosen" in given else changed
        return images

    def _candidates(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """Operations that are always applied, and those of which one is (colour counts as one)."""
        tokens = self.strategy.split("_")
        match self.mode:
            case "all":
                always, choice = tokens, []
            case "single":
                always, choice = [], tokens
            case "idc":
                choice = [token for token in tokens if token in SPATIAL]
                always = [token for token in tokens if token not in SPATIAL]
        return [name for token in always for name in _parts(token)], [_parts(token) for token in choice]

    def _in_order(self) -> list[str]:
        tokens = self.strategy.split("_")
        if self.mode == "idc":
            spatial = [token for token in tokens if token in SPATIAL]
            order = ["flip", "color", *spatial, "cutout"]
            tokens = [token for token in order if token in tokens]
        return [name for token in tokens for name in _parts(token)]

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


def _parts(token: str) -> tuple[str, ...]:
    return COLOR if token == "color" else (token,)


def _one_of(choice: list[tuple[str, ...]], generator: Generator) -> tuple[str, ...]:
    return choice[int(torch.randint(len(choice), (), generator=generator))]


def _rounded(length: float) -> int:
    return int(length + 0.5)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    zero = torch.zeros_like(a)
    return torch.stack([a, b, zero, c, d, zero], 1).view(-1, 2, 3)
