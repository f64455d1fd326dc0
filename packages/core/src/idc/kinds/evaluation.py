"""What an evaluation is: scores as n, mean and standard deviation."""

import statistics
from typing import Literal, NamedTuple

from pydantic import Field, computed_field

from idc.table import Record


class Point(NamedTuple):
    """A metric at one place of a curve, which reports draw."""

    metric: str
    along: str = ""
    """What the curve runs along, such as ``classes seen``; empty for a metric that is no point of a curve."""
    at: float | None = None
    """Where, in the unit of `along`."""
    detail: bool = False
    """Whether it is one of many, which tables leave out and plots show as dots."""


Scores = dict[str | Point, float]
"""Of one network, by metric, the main one first."""


class EvaluationKey(NamedTuple):
    """What was scored and how."""

    synset: str
    type: str
    recipe: str
    model: str
    metric: str
    along: str
    at: float | None


class Evaluation(Record):
    """Scores of one synset with one model under one protocol."""

    type: str
    """Evaluator, such as ``retrain``."""
    protocol: str
    """Name of the recipe, and the fields changed in it."""
    model: str
    metric: str
    """What the values are; accuracies are in percent, 0 to 100."""
    along: str = ""
    """For a point of a curve: what the curve runs along, such as ``classes seen``."""
    at: float | None = None
    """For a point of a curve: where on it."""
    detail: bool = False
    """Whether it is one of many, which tables leave out and plots show as dots."""
    decimals: int = 1
    """Decimals of the score in tables."""
    values: tuple[float, ...] = Field(min_length=1)
    """One score for each run, in the order of the runs."""
    synset: str = ""
    """What was evaluated: the pipeline's method, or the name of a baseline."""
    budget: int = 0
    """Numbers that the synset stores."""
    labels: Literal["hard", "soft"] = "hard"
    """Labels of the synset."""
    iteration: int | None = None
    """Outer iterations done, for an intermediate synset."""

    @property
    def key(self) -> EvaluationKey:
        """What was scored and how: evaluations with the same key can be compared, pooled and replaced."""
        return EvaluationKey(
            self.synset, self.type, self.recipe, self.model, self.metric, self.along, self.at
        )

    @property
    def listed(self) -> bool:
        """Whether tables have it: it is neither a point of a curve nor one of many."""
        return self.at is None and not self.detail

    @property
    def recipe(self) -> str:
        """The protocol and the labels: ``idc-2022, hard labels``."""
        return f"{self.protocol}, {self.labels} labels"

    @computed_field
    @property
    def mean(self) -> float:
        """Mean of the scores."""
        return statistics.fmean(self.values)

    @computed_field
    @property
    def sd(self) -> float | None:
        """Sample standard deviation (n - 1); none for a single run."""
        return statistics.stdev(self.values) if self.n > 1 else None

    @computed_field
    @property
    def n(self) -> int:
        """How many scores there are."""
        return len(self.values)

    def summary(self) -> str:
        """``88.1 ± 0.9``, or the mean alone for a single run."""
        mean = f"{self.mean:.{self.decimals}f}"
        return mean if self.sd is None else f"{mean} ± {self.sd:.{self.decimals}f}"
