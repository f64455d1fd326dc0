"""Dataset condensation as a typed, composable pipeline.

    from idc import Pipeline, Synset, condense

Names are imported when they are first used: most of them need torch, which takes seconds to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from idc.data import RealData, Split
    from idc.engine import Condensation, condense
    from idc.errors import InputError, RunError
    from idc.evaluation import baselines, evaluate
    from idc.pipeline import Pipeline
    from idc.report import Evaluation, Report
    from idc.state import Step
    from idc.synset import Synset

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
    "idc.data": ("RealData", "Split"),
    "idc.engine": ("Condensation", "condense"),
    "idc.errors": ("InputError", "RunError"),
    "idc.evaluation": ("baselines", "evaluate"),
    "idc.pipeline": ("Pipeline",),
    "idc.report": ("Evaluation", "Report"),
    "idc.state": ("Step",),
    "idc.synset": ("Synset",),
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'idc' has no attribute {name!r}")
