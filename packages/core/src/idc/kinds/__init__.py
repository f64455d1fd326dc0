"""The nine kinds of stage: each is one table of the pipeline and one axis of the field.

`Decoder` and `Objective` are the stable plugin surface. The others are provisional: their methods may gain
arguments before 1.0. An implementation is a final class in the kind's entry-point group, with
``type: Literal["name"] = "name"`` and its other fields as the TOML keys.
"""

from idc.kinds.images import Augmentation, Dataset, Decoder, Initializer, Sampler
from idc.kinds.learning import Evaluator, Model, Networks, Objective
from idc.stage import Stage

__all__ = [
    "KINDS",
    "Augmentation",
    "Dataset",
    "Decoder",
    "Evaluator",
    "Initializer",
    "Model",
    "Networks",
    "Objective",
    "Sampler",
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
    "evaluate": Evaluator,
}
"""Table name in the pipeline → kind."""
