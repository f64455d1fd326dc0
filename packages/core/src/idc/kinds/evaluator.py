"""The kind of stage that scores a synthetic dataset."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from idc.kinds.evaluation import Evaluation
from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.kinds.scoring import EvaluatorInputs
    from idc.seeding import Streams
    from idc.spec import ImageSpec

Need = Literal["codes", "test", "train"]


class Evaluator(Stage):
    """Scores a synthetic dataset."""

    group: ClassVar[str] = "idc.evaluators"
    default_type: ClassVar[str | None] = "retrain"

    needs: ClassVar[frozenset[Need]] = frozenset({"test"})
    """What `evaluate` uses besides the decoded images: the real ``test`` or ``train`` split, which are then
    on the device, or the stored ``codes``. It gets nothing else."""
    outside_protocol: ClassVar[frozenset[str]] = frozenset({"type", "models", "runs"})
    """Fields that choosing another ``protocol`` leaves as they are, for evaluators that have protocols."""

    models: tuple[Model, ...] = ()
    """Architectures that are trained; the pipeline's model by default."""
    runs: Annotated[int, Field(ge=1)] = 5
    """Networks trained of each architecture, each from its own seed."""

    @abstractmethod
    def refuse_unfit(self, spec: "ImageSpec") -> None:
        """Refuse fields that do not fit such images; called before a run begins.

        Raises:
            InputError: which field, and what is allowed.
        """

    def operations(self, images: int, matched_per_class: int, spec: "ImageSpec", model: Model) -> float:
        """Floating-point operations of one evaluation, approximately; for estimates only.

        Args:
            images: number of decoded training images.
            matched_per_class: of a class, while matching.
            spec: of the images.
            model: the pipeline's.
        """
        return 0.0

    @abstractmethod
    def evaluate(
        self,
        inputs: "EvaluatorInputs",
        model: Model,
        streams: "Streams",
        progress: "Callable[[float], None]",
    ) -> "Iterator[Evaluation]":
        """Score a synthetic dataset, yielding each evaluation as soon as it is complete.

        Args:
            inputs: the decoded images, and what `needs` declares.
            model: the pipeline's, for evaluators that name no `models`.
            streams: where random draws come from.
            progress: called now and then with the fraction done, 0 to 1.
        """
