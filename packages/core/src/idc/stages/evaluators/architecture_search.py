"""Neural architecture search with a synset as the proxy of the real data."""

import itertools
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Annotated, Any, Literal, final

import torch
from pydantic import Field, ValidationError

from idc.errors import explain, within
from idc.kinds import (
    Evaluation,
    EvaluatorInputs,
    ImageSpec,
    InputError,
    Model,
    Need,
    Network,
    Point,
    Scores,
    Split,
    Streams,
)
from idc.stages.evaluators.protocol_evaluator import ProtocolEvaluator, refuse_other_images
from idc.training.recipe import accuracy

WHOLE = "whole set"
EARLY = "early stopping"
TOP = 10
ALONG = "accuracy on the whole set, %"
PROXY = "accuracy of a candidate"
ARITHMETIC = "training, TFLOP"


@final
class ArchitectureSearch(ProtocolEvaluator):
    """How well a synset stands in for the real data where architectures are chosen (DC, section 4.3).

    Each candidate of a grid is trained on the synset; the best ones of each synset then on the whole real
    training set. Reported are the accuracy on the whole set of the candidate that the synset selects, and
    Spearman's rank correlation of the accuracies on the synset and on the whole set.
    """

    type: Literal["architecture-search"] = "architecture-search"
    grid: Annotated[dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]], Field(min_length=1)]
    """Values of the model's fields; the candidates are all their combinations."""
    runs: Annotated[int, Field(ge=1)] = 1
    """Networks trained of each candidate on each set, each from its own seed."""
    whole: Annotated[int, Field(ge=1)] | Literal["all"] = TOP
    """How many of the best candidates of each synset are trained on the whole set; ``all``: every candidate,
    so that the correlation over all of them is known."""
    whole_epochs: Annotated[int, Field(ge=1)] = 100
    """Epochs on the whole set."""
    early_steps: Annotated[int, Field(ge=1)] | None = None
    """Training steps of every candidate on the whole set, as another proxy: early stopping; it takes as long
    as training on the synset if there are as many. None by default."""

    @property
    def needs(self) -> frozenset[Need]:
        """Synthetic images, and both real splits."""
        return frozenset({"synthetic", "test", "train"})

    def candidates(self, model: Model) -> tuple[Model, ...]:
        """All combinations of the grid, each once.

        Raises:
            InputError: the model refuses one of them.
        """
        found = self._combinations(self.models[0] if self.models else model)
        return tuple({each.label(): each for each in found}.values())

    def _combinations(self, base: Model) -> Iterator[Model]:
        table = base.model_dump(mode="json", exclude_none=True)
        kind = Model if "type" in self.grid else type(base)
        for values in itertools.product(*self.grid.values()):
            fields = dict(zip(self.grid, values, strict=True))
            try:
                yield kind.model_validate({**table, **fields})
            except ValidationError as error:
                said = ", ".join(f"{name} = {value!r}" for name, value in fields.items())
                raise InputError(
                    f"evaluate.grid: a candidate with {said} is refused\n{explain(error)}"
                ) from None

    def refuse_unfit(self, spec: ImageSpec, model: Model) -> None:
        """Refuse grids of which a candidate does not fit such images, and several models."""
        super().refuse_unfit(spec, model)
        if len(self.models) > 1:
            raise InputError(
                f"evaluate.models: {len(self.models)} models; the grid is over the fields of one, so name "
                "one, or have an [[evaluate]] for each"
            )
        for candidate in self.candidates(model):
            # Without memory or initial weights, because there may be hundreds.
            with within(f"evaluate.grid, {candidate.label()}"), torch.device("meta"):
                candidate.build(spec)
        if find_spec("scipy") is None:
            raise InputError("evaluate: rank correlations need SciPy; pip install scipy")

    def alone(self, found: Sequence[Evaluation], model: Model) -> list[tuple[str, Model]]:
        """First `early_steps` of every candidate, then the whole set for those that were selected."""
        candidates = self.candidates(model)
        scored = _accuracies(found)
        if self.early_steps is not None and EARLY not in scored:
            return [(EARLY, each) for each in candidates]
        if WHOLE in scored:
            return []
        if self.whole == "all":
            return [(WHOLE, each) for each in candidates]
        wanted = {label for proxies in scored.values() for label in _best(proxies)[: self.whole]}
        return [(WHOLE, each) for each in candidates if each.label() in wanted]

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> Scores:
        """Accuracy on the test split after the last epoch, and the arithmetic of the training.

        Raises:
            InputError: the synset's images or classes differ from the dataset's.
        """
        alone = inputs.subject in (WHOLE, EARLY)
        split = inputs.train if alone else inputs.synthetic
        refuse_other_images(split.spec, inputs.test.spec)
        network = model.fresh(split.spec, streams, split.device)
        if inputs.subject == EARLY:
            network = self._early(network, split)
        else:
            proxy = self.epochs_of(len(split), inputs.matched_per_class, split.spec)
            epochs = self.whole_epochs if alone else proxy
            for done, further in enumerate(self.trained(network, split, epochs), 1):
                network = further
                progress(done / epochs)
        # The last batch of an epoch is smaller.
        epochs, rest = divmod(network.batches, self.training.batches_per_epoch(split))
        images = epochs * len(split) + rest * min(self.training.batch_size, len(split))
        return {
            Point(PROXY, detail=True): accuracy(network, inputs.test, split.spec),
            # Forwards, and twice as much backwards.
            Point(ARITHMETIC, detail=True): 3e-12 * images * network.operations(split.spec.shape),
        }

    def _early(self, network: Network, split: Split) -> Network:
        """After `early_steps` at the first learning rate."""
        assert self.early_steps is not None
        with self.training.execution(network, split, self.early_steps).active():
            return self.training.steps(network, split, self.early_steps)

    def concluded(self, found: Sequence[Evaluation], model: Model) -> list[Evaluation]:
        """Of each synset what it selects and how it ranks; nothing before the whole set is scored.

        The rank correlation of the best ones is over those that are the `TOP` best on the synset; that of
        all is known if all were trained on the whole set. A candidate's accuracy on the synset is a point
        along its accuracy on the whole set.
        """
        labels = {each.label() for each in self.candidates(model)}
        found = [each for each in found if each.model in labels and each.detail and each.at is None]
        scored = _accuracies(found)
        if WHOLE not in scored:
            return []
        whole, said = scored[WHOLE], f"{len(labels)} candidates"
        derived: list[Evaluation] = []
        for subject, proxies in scored.items():
            of_subject = [each for each in found if each.synset == subject]
            accuracies, arithmetic = _of(of_subject, PROXY), _of(of_subject, ARITHMETIC)
            summary = accuracies[0].model_copy(update={"detail": False, "model": said})
            selected = _best(proxies)[0]
            derived += [
                summary.model_copy(update={"metric": "accuracy", "model": selected, "values": each.values})
                for each in _of(found, PROXY)
                if (each.synset, each.model) == (WHOLE, selected)
            ]
            best = [label for label in _best(proxies)[:TOP] if label in whole]
            for metric, ranked in (
                (f"rank correlation, best {TOP}", best),
                ("rank correlation", list(proxies)),
            ):
                if all(label in whole for label in ranked) and len(ranked) > 2:
                    rho = _correlation([proxies[each] for each in ranked], [whole[each] for each in ranked])
                    changed = {"metric": metric, "values": (rho,), "decimals": 2}
                    derived.append(summary.model_copy(update=changed))
            total = sum(each.mean for each in arithmetic)
            changed = {"metric": ARITHMETIC, "values": (total,), "decimals": 2}
            derived.append(summary.model_copy(update=changed))
            if subject != WHOLE:
                derived += [
                    each.model_copy(update={"along": ALONG, "at": whole[each.model]})
                    for each in accuracies
                    if each.model in whole
                ]
        return derived


def _of(found: Sequence[Evaluation], metric: str) -> list[Evaluation]:
    return [each for each in found if each.metric == metric]


def _accuracies(found: Sequence[Evaluation]) -> dict[str, dict[str, float]]:
    """Mean accuracy by subject and candidate."""
    means: dict[str, dict[str, list[float]]] = {}
    for each in _of(found, PROXY):
        means.setdefault(each.synset, {}).setdefault(each.model, []).extend(each.values)
    return {
        subject: {label: statistics.fmean(values) for label, values in candidates.items()}
        for subject, candidates in means.items()
    }


def _best(accuracies: Mapping[str, float]) -> list[str]:
    """The candidates from the best to the worst; equal ones in their order."""
    return sorted(accuracies, key=lambda label: -accuracies[label])


def _correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation; 0 where one of them ranks nothing."""
    if len(set(first)) == 1 or len(set(second)) == 1:
        return 0.0
    # Not at the top: it takes as long to import as torch.
    from scipy import stats

    return stats.spearmanr(first, second).statistic  # pyright: ignore[reportAttributeAccessIssue]
