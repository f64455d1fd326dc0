"""Dataset condensation as a typed, composable pipeline.

    from idc import Pipeline, Synset, condense

Names are imported on first use: most of them need torch, which takes seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idc.condensation.loop import Condensation, condense
    from idc.condensation.state import Step
    from idc.config.pipeline import Pipeline
    from idc.data.split import RealData, Split
    from idc.errors import InputError, RunError
    from idc.experiment.report import Report
    from idc.experiment.score import baselines, evaluate
    from idc.kinds.evaluation import Evaluation
    from idc.synset.synset import Synset

__all__ = [
    "Condensation",
    "Evaluation",
    "InputError",
    "Pipeline",
    "RealData",
    "Report",
    "RunError",
    "Split",
    "Step",
    "Synset",
    "baselines",
    "condense",
    "evaluate",
]

_HOMES = {
    "idc.data.split": ("RealData", "Split"),
    "idc.condensation.loop": ("Condensation", "condense"),
    "idc.errors": ("InputError", "RunError"),
    "idc.experiment.score": ("baselines", "evaluate"),
    "idc.config.pipeline": ("Pipeline",),
    "idc.experiment.report": ("Report",),
    "idc.kinds.evaluation": ("Evaluation",),
    "idc.condensation.state": ("Step",),
    "idc.synset.synset": ("Synset",),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'idc' has no attribute {name!r}")
