"""The kind of stage that scores a synthetic dataset."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from idc.kinds.evaluation import Evaluation, Scores
from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.split import RealData, Split
    from idc.seeding import Streams
    from idc.shapes import Codes
    from idc.spec import ImageSpec

Need = Literal["codes", "synthetic", "test", "train"]
OF_SYNSETS: frozenset[Need] = frozenset({"codes", "synthetic"})


class EvaluatorInputs:
    """What the evaluator declares in `Evaluator.needs`.

    Using what is not declared raises a TypeError, so that a forgotten declaration shows in the evaluator's
    first test, and not where the data were left on another device.

    Args:
        needs: what the evaluator declares.
        real: both real splits; of the declared ones, batches are on the device to compute on.
        subject: name of the synset, or of what is scored with the real data alone.
        synthetic: decoded training images with their labels, on the device to compute on.
        matched_per_class: training images of a class that the codes decode to while matching; 0 without a
            synset.
        codes: the stored tensors, on the CPU.
        label: gives images the labels that the pipeline gives finished ones; by default they keep theirs.
    """

    def __init__(
        self,
        needs: frozenset[Need],
        real: "RealData",
        subject: str = "",
        synthetic: "Split | None" = None,
        matched_per_class: int = 0,
        codes: "Codes | None" = None,
        label: "Callable[[Split], Split]" = lambda images: images,
    ) -> None:
        self.subject = subject
        self.matched_per_class = matched_per_class
        self._label = label
        self._everything: dict[Need, Any] = {
            "codes": codes,
            "synthetic": synthetic,
            "test": real.test,
            "train": real.train,
        }
        self._needs = needs

    @property
    def synthetic(self) -> "Split":
        """The decoded training images with their labels."""
        return self._declared("synthetic")

    @property
    def test(self) -> "Split":
        """The real test split."""
        return self._declared("test")

    @property
    def train(self) -> "Split":
        """The real training split."""
        return self._declared("train")

    @property
    def codes(self) -> "Codes":
        """The stored tensors, on the CPU."""
        return self._declared("codes")

    def labelled(self, real: "Split") -> "Split":
        """Real images with the labels that the pipeline gives finished ones: their own, or soft ones.

        Raises:
            InputError: a network that labels them is missing.
        """
        return self._label(real)

    def _declared(self, name: Need) -> Any:
        if name not in self._needs:
            raise TypeError(f"the evaluator uses {name!r} and does not declare it; add it to `needs`")
        return self._everything[name]


class Evaluator(Stage):
    """Scores a synthetic dataset."""

    group: ClassVar[str] = "idc.evaluators"
    default_type: ClassVar[str | None] = "retrain"

    trains_networks: ClassVar[bool] = True
    """Whether `score` trains a network; if not, a synset is scored once, whatever `models` and `runs` are."""
    outside_protocol: ClassVar[frozenset[str]] = frozenset({"type", "models", "runs"})
    """Fields that choosing another ``protocol`` leaves as they are, for evaluators that have protocols."""

    models: tuple[Model, ...] = ()
    """Architectures that are trained; the pipeline's model by default."""
    runs: Annotated[int, Field(ge=1)] = 5
    """Networks trained of each architecture, each from its own seed."""

    @property
    def needs(self) -> frozenset[Need]:
        """What `score` uses, and gets: the decoded ``synthetic`` images, the stored ``codes``, the real
        ``test`` or ``train`` split, which are then on the device.

        An evaluator that needs neither images nor codes of a synset scores the real data `alone`.
        """
        return frozenset({"synthetic", "test"})

    @property
    def reads_synsets(self) -> bool:
        """Whether scores depend on the synset, and not on the real data alone."""
        return bool(self.needs & OF_SYNSETS)

    def candidates(self, model: Model) -> tuple[Model, ...]:
        """The architectures that are trained on each synset.

        Args:
            model: the pipeline's.
        """
        return (self.trains_networks and self.models) or (model,)

    def alone(self, found: Sequence[Evaluation], model: Model) -> list[tuple[str, Model]]:
        """What to score next with the real data alone, once all synsets are scored.

        Called again when that is scored, until nothing is returned. By default, evaluators that read no
        synset score ``real data`` with each of their models.

        Args:
            found: all scores of this evaluator so far.
            model: the pipeline's.

        Returns:
            Names in the report, which `EvaluatorInputs.subject` has too, with the model to train.
        """
        if self.reads_synsets or found:
            return []
        return [("real data", each) for each in self.candidates(model)]

    def concluded(self, found: Sequence[Evaluation], model: Model) -> list[Evaluation]:
        """What follows from all scores of this evaluator together; nothing by default.

        Args:
            found: those of all synsets and of the real data alone under this protocol, in any precision, with
                the draws of a baseline pooled.
            model: the pipeline's.
        """
        return []

    @abstractmethod
    def refuse_unfit(self, spec: "ImageSpec", model: Model) -> None:
        """Refuse fields that do not fit such images; called before a run begins.

        Args:
            spec: of the images.
            model: the pipeline's, which is trained if there are no `models`.

        Raises:
            InputError: which field, and what is allowed.
        """

    def refuse_soft_labels(self) -> None:
        """Refuse fields that do not fit soft labels; called before a run begins if the synset has them.

        Raises:
            InputError: which field, and what is allowed.
        """

    def refuse_knowledge(self, known: Sequence[frozenset[int]], spec: "ImageSpec") -> None:
        """Refuse synsets whose codes know more than they may; called before a run begins.

        Args:
            known: for each class, the classes whose real images its codes may depend on.
            spec: of the images.

        Raises:
            InputError: which class knows of which, and what to change.
        """

    def operations(self, images: int, matched_per_class: int, spec: "ImageSpec", model: Model) -> float:
        """Floating-point operations of all networks, approximately; for estimates only.

        Args:
            images: number of decoded training images.
            matched_per_class: of a class, while matching.
            spec: of the images.
            model: the pipeline's.
        """
        return 0.0

    def protocol_as_run(self) -> str:
        """How a network is scored: only scores for which this is the same are compared.

        Returns:
            By default the type and the fields that differ from their defaults, without `models` and `runs`.
        """
        defaults = {name: type(self).model_fields[name].default for name in ("models", "runs")}
        return self.model_copy(update=defaults).label()

    @abstractmethod
    def score(
        self,
        inputs: EvaluatorInputs,
        model: Model,
        streams: "Streams",
        progress: "Callable[[float], None]",
    ) -> Scores:
        """Score one network: one run of one architecture.

        Networks are scored in any order and by several processes at once, so a score must follow from the
        arguments alone.

        Args:
            inputs: what `needs` declares.
            model: its architecture; the pipeline's if the evaluator names no `models`.
            streams: where random draws come from; each run has its own, the same for all architectures.
            progress: called now and then with the fraction done, 0 to 1.

        Returns:
            By metric, the main one first; the same metrics in the same order for every network of a subject.
            A `Point` is drawn as part of a curve.
        """
