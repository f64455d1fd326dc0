"""Differentiable augmentation, composed as in IDC or as in DSA."""

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

PAPER = """\
@inproceedings{zhao2021dsa,
  author = {Zhao, Bo and Bilen, Hakan},
  title = {Dataset Condensation with Differentiable Siamese Augmentation},
  booktitle = {International Conference on Machine Learning (ICML)},
  year = {2021}
}"""

Fraction = Annotated[float, Field(ge=0, le=1)]


@final
class DSA(Augmentation):
    """Flip, colour, spatial operations and cutout, drawn for each batch.

    ``mode`` determines which operations of ``strategy`` are applied:

    - ``idc``: flip, colour, one of the spatial operations, then cutout, as far as listed; the spatial
      operation is the same for the whole batch (IDC's DiffAug);
    - ``single``: one operation, the same for the whole batch (DSA, section 3);
    - ``all``: all operations, in the listed order.
    """

    bibtex = PAPER

    type: Literal["dsa"] = "dsa"
    strategy: str = "color_crop_cutout"
    """Operations joined by underscores: flip, color, crop, scale, rotate, translate, cutout."""
    mode: Literal["idc", "single", "all"] = "idc"
    """Which of the listed operations are applied: as in IDC's code, a single one, or all."""
    flip: Fraction = 0.5
    """Probability of a horizontal flip."""
    brightness: Annotated[float, Field(ge=0)] = 1.0
    """The offset is uniform in ± half of this, in standard deviations of the data."""
    saturation: Annotated[float, Field(ge=0)] = 2.0
    """The factor is uniform from 0 to this."""
    contrast: Annotated[float, Field(ge=0)] = 0.5
    """The factor is uniform from this to this plus 1."""
    crop: Fraction = 0.125
    """Maximum shift of ``crop`` and ``translate``, as a fraction of the image's side."""
    scale: Annotated[float, Field(ge=1)] = 1.2
    """Height and width are scaled by independent factors, uniform from 1 / this to this."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 15.0
    """Maximum angle in degrees."""
    cutout: Fraction = 0.5
    """Side of the box, as a fraction of the image's side."""

    @field_validator("strategy")
    @classmethod
    def _known_operations(cls, strategy: str) -> str:
        tokens = strategy.split("_")
        unknown = [token for token in tokens if token not in TOKENS]
        if unknown or len(set(tokens)) < len(tokens):
            raise ValueError(
                f"{strategy!r} must be distinct operations joined by underscores; allowed are "
                f"{', '.join(TOKENS)}"
            )
        return strategy

    def draw(self, count: int, shape: tuple[int, int, int], generator: Generator) -> Draw:
        """Parameters of every operation that may be applied, and which are if there is a choice.

        They are named ``operation.name``, in the order of application.
        """
        parameters: dict[str, Tensor] = {}
        always, choice = self._candidates()
        chosen = _one_of(choice, generator) if choice else ()
        for operation in self._in_order():
            applied = operation in always or operation in chosen
            # Operations that are not applied get parameters too, so that all draws share one graph.
            source = generator if applied else Generator()
            for name, tensor in self._parameters(operation, count, shape, source).items():
                parameters[f"{operation}.{name}"] = tensor
            if len(choice) > 1 and operation not in always:
                parameters[f"{operation}.chosen"] = torch.full((count,), applied)
        return Draw(parameters)

    def apply(self, images: Images, draw: Draw) -> Images:
        """Apply the drawn operations in order."""
        for operation in dict.fromkeys(name.partition(".")[0] for name in draw.parameters):
            parameters = draw.part(operation)
            changed = self._apply(operation, images, parameters)
            selected = parameters.get("chosen")
            images = changed if selected is None else operations.chosen(selected, changed, images)
        return images

    def _candidates(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """Operations that are always applied, and those of which one is applied (colour counts as one)."""
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
                # A box of even side is centred between pixels and has one more position.
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

    def _apply(self, operation: str, images: Images, parameters: dict[str, Tensor]) -> Images:
        match operation:
            case "flip":
                return operations.flip(images, parameters["mask"])
            case "brightness":
                return operations.brightness(images, parameters["offset"])
            case "saturation":
                return operations.saturation(images, parameters["factor"])
            case "contrast":
                return operations.contrast(images, parameters["factor"])
            case "crop" | "translate":
                return operations.shift(images, parameters["rows"], parameters["columns"])
            case "cutout":
                height, width = self._box((images.shape[1], images.shape[2], images.shape[3]))
                return operations.cutout(images, parameters["row"], parameters["column"], height, width)
            case _:
                return operations.affine(images, parameters["theta"])

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
