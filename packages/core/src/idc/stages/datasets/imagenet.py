"""The ImageNet subsets that condensation is measured on."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, final

from pydantic import Field

from idc.stages.datasets.image_folder import Folders

Subset = Literal["nette", "woof", "fruit", "meow", "squawk", "yellow"]
"""Ten classes each, in the order of MTT's public code, which lists their numbers among ImageNet's sorted
identifiers. DANCE's and NCFM's code has custard apple (n07760859) for the apple in ``fruit``, and another
spider (n01773797) in ``yellow``; their presets list the classes."""


@final
class ImageNet(Folders):
    """Subsets of ImageNet: those of the IDC and MTT papers, or any classes, from the usual image folders.

    Images are read once and cached: 2 GB for 10 classes at 224 pixels, 20 GB for 100.
    """

    type: Literal["imagenet"] = "imagenet"
    path: Path = Path("imagenet")
    """The folder with ``train/<class>/…`` and ``val/<class>/…``; relative to ``--data``."""
    test: str = "val"
    """Folder of the test split within ``path``: ImageNet's validation images."""
    classes: Literal[10, 100] | Subset | tuple[str, ...] = 10  # pyright: ignore[reportIncompatibleVariableOverride]
    """10 or 100 for the first classes of IDC's list; ``nette``, ``woof``, ``fruit``, ``meow``, ``squawk`` or
    ``yellow`` for MTT's subsets of 10; or class identifiers such as ``n02077923``."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = 224
    """Height and width in pixels."""
    mean: tuple[float, ...] | None = (0.485, 0.456, 0.406)
    """Mean of each channel, for normalisation."""
    std: tuple[float, ...] | None = (0.229, 0.224, 0.225)
    """Standard deviation of each channel, for normalisation."""

    def wanted_classes(self) -> tuple[str, ...]:
        """The class identifiers."""
        match self.classes:
            # The first ten of IDC's hundred are ImageNet-10.
            case int(count):
                return _listed("100")[:count]
            case str(name):
                return _listed(name)
            case classes:
                return classes


def _listed(name: str) -> tuple[str, ...]:
    return tuple(files("idc.stages.datasets").joinpath(f"imagenet-{name}.txt").read_text().split())
