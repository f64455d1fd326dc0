"""The eleven kinds of stage, and every name that an implementation of one needs.

A kind is an abstract class: one table of the pipeline and one axis of the field. An implementation is a
final class in the kind's entry-point group, with ``type: Literal["name"] = "name"`` and its other fields as
the TOML keys. `Decoder` and `Objective` are the stable plugin surface. The others are provisional: their
methods may gain arguments before 1.0.

Names that need torch are imported on first use, so that commands start quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from idc.errors import InputError
from idc.kinds.augmentation import Augmentation
from idc.kinds.dataset import Dataset
from idc.kinds.decoder import Decoder, PixelDecoder
from idc.kinds.evaluation import Evaluation, Point, Scores
from idc.kinds.evaluator import Evaluator, EvaluatorInputs, Need
from idc.kinds.initializer import Initializer
from idc.kinds.labeller import Labeller
from idc.kinds.model import Model
from idc.kinds.networks import Networks
from idc.kinds.objective import Objective
from idc.kinds.optimizer import Optimizer, Rows
from idc.kinds.pretrained import Pretrained, PretrainedStage
from idc.kinds.sampler import Sampler
from idc.kinds.stage import Stage
from idc.spec import ImageSpec
from idc.table import Table

if TYPE_CHECKING:
    from idc.data.examples import ArrayExamples, Example, Examples, FileExamples, RawDataset
    from idc.data.split import RealData, Split
    from idc.network.network import Logits, Network
    from idc.network.view import NetworkView, layer_of
    from idc.seeding import Streams
    from idc.shapes import (
        Batch,
        ClassNumbers,
        Codes,
        Draw,
        Images,
        Indices,
        Labels,
        OptimizerState,
        Scalar,
        StoredImages,
        Tensors,
    )

__all__ = [
    "KINDS",
    "ArrayExamples",
    "Augmentation",
    "Batch",
    "ClassNumbers",
    "Codes",
    "Dataset",
    "Decoder",
    "Draw",
    "Evaluation",
    "Evaluator",
    "EvaluatorInputs",
    "Example",
    "Examples",
    "FileExamples",
    "ImageSpec",
    "Images",
    "Indices",
    "Initializer",
    "InputError",
    "Labeller",
    "Labels",
    "Logits",
    "Model",
    "Need",
    "Network",
    "NetworkView",
    "Networks",
    "Objective",
    "Optimizer",
    "OptimizerState",
    "PixelDecoder",
    "Point",
    "Pretrained",
    "PretrainedStage",
    "RawDataset",
    "RealData",
    "Rows",
    "Sampler",
    "Scalar",
    "Scores",
    "Split",
    "StoredImages",
    "Streams",
    "Table",
    "Tensors",
    "layer_of",
]

KINDS: dict[str, type[Stage]] = {
    "dataset": Dataset,
    "model": Model,
    "init": Initializer,
    "decoder": Decoder,
    "augment": Augmentation,
    "sampler": Sampler,
    "objective": Objective,
    "networks": Networks,
    "optimizer": Optimizer,
    "labels": Labeller,
    "evaluate": Evaluator,
}
"""Table name in the pipeline → kind."""

_HOMES = {
    "idc.data.examples": ("ArrayExamples", "Example", "Examples", "FileExamples", "RawDataset"),
    "idc.data.split": ("RealData", "Split"),
    "idc.network.network": ("Logits", "Network"),
    "idc.network.view": ("NetworkView", "layer_of"),
    "idc.seeding": ("Streams",),
    "idc.shapes": (
        *("Batch", "ClassNumbers", "Codes", "Draw", "Images", "Indices", "Labels", "OptimizerState"),
        *("Scalar", "StoredImages", "Tensors"),
    ),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'idc.kinds' has no attribute {name!r}")
