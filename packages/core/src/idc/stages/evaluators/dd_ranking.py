"""DD-Ranking: how much of a synset's accuracy is due to its images, and not to soft labels or augmentation.

Li et al. 2025, "DD-Ranking: Rethinking the Evaluation of Dataset Distillation" (arXiv:2505.13300).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from operator import itemgetter
from typing import Annotated, Literal, NamedTuple, final

import torch
from pydantic import Field

from idc.kinds import (
    Evaluation,
    EvaluatorInputs,
    ImageSpec,
    InputError,
    Model,
    Need,
    Point,
    Scores,
    Split,
    Streams,
)
from idc.stages import papers
from idc.stages.evaluators.protocol_evaluator import ProtocolEvaluator, refuse_other_images
from idc.stages.evaluators.robust_scores import augmentation_robust_score, label_robust_score
from idc.stages.initializers.choice import ordered_members
from idc.training.recipe import accuracy

Weight = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]

WHOLE = "whole set"
OWN = "accuracy"
PLAIN = "accuracy without augmentation"
HARD = "accuracy with hard labels"
COUNT = "random images per class"
PLAIN_IMPROVEMENT = "improvement over random without augmentation, points"

Accuracies = Mapping[str, Sequence[float]]
"""Of what was scored with one architecture: by metric, one for each run."""


class Selection(NamedTuple):
    """The random real images that a synset is compared with."""

    per_class: int
    soft: bool
    """Whether the pipeline's ``labels`` labels them, as it labelled the synset."""

    @property
    def subject(self) -> str:
        """Their name in reports; no synset's, which has no spaces."""
        return f"random, {self.per_class} per class" + ", labelled by the pipeline" * self.soft

    @classmethod
    def named(cls, subject: str) -> "Selection | None":
        """The selection of this name; None for any other subject."""
        found = re.fullmatch(r"random, (\d+) per class(, labelled by the pipeline)?", subject)
        return cls(int(found[1]), bool(found[2])) if found else None


class Setup(NamedTuple):
    """What an accuracy is measured on: networks that differ only in their learning rate."""

    metric: str
    split: Split
    augmented: bool
    epochs: int
    rates: tuple[float, ...]


@final
class DDRanking(ProtocolEvaluator):
    """The label-robust and the augmentation-robust score of DD-Ranking (Li et al. 2025).

    Both compare the synset with random real images at the same budget, which a network learns from in the
    same way: with labels of the same kind and the same augmentation. The first also asks how close hard
    labels come to the whole set, the second repeats the comparison without augmentation.
    """

    bibtex = papers.DD_RANKING

    type: Literal["dd-ranking"] = "dd-ranking"
    protocol: str = "dd-ranking-2025"
    """Name of a published recipe."""
    weight: Weight = 0.5
    """Weight w of the improvement over random in the label-robust score; that of the hard-label recovery is
    1 - w."""
    augmentation_robust: bool = True
    """Whether the augmentation-robust score is computed, for which as many networks again are trained without
    augmentation."""
    augmentation_weight: Weight = 0.5
    """Weight γ of the improvement over random with augmentation in the augmentation-robust score; that
    without is 1 - γ."""
    learning_rates: tuple[Rate, ...] = (0.001, 0.005, 0.01, 0.05, 0.1)
    """Learning rates that are tried for each synset and each random selection, with each kind of labels; the
    best counts. Empty: `training.learning_rate` alone, which is that of the whole set in any case."""
    tuned_on: Literal["train", "test"] = "train"
    """Real images on which the best learning rate is found. The public package takes those of the ``test``
    split, which makes all accuracies too high."""
    whole_epochs: Annotated[int, Field(ge=1)] = 200
    """Epochs on the whole training set."""
    augment_hard: bool = False
    """Whether training is augmented on the whole set and, if the synset's labels are soft, on its images with
    hard labels."""

    @property
    def needs(self) -> frozenset[Need]:
        """Synthetic images, their codes, which say how much is stored, and both real splits."""
        return frozenset({"synthetic", "codes", "test", "train"})

    def refuse_unfit(self, spec: ImageSpec, model: Model) -> None:
        """Refuse models and augmentations that do not fit such images, and training without augmentation."""
        super().refuse_unfit(spec, model)
        if self.augmentation_robust and not (self.training.augment or self.training.cutmix):
            raise InputError(
                "evaluate: training.augment = [] and training.cutmix = 0, so the augmentation-robust score "
                "has no augmentation to leave out; set one of them, or augmentation_robust = false"
            )

    def operations(self, images: int, matched_per_class: int, spec: ImageSpec, model: Model) -> float:
        """Forward and backward passes of all networks on the synset's images.

        Not counted are those on real images, and with hard labels where the synset's are soft.
        """
        tried = len(self.learning_rates or (self.training.learning_rate,)) * (1 + self.augmentation_robust)
        return tried * super().operations(images, matched_per_class, spec, model)

    def alone(self, found: Sequence[Evaluation], model: Model) -> list[tuple[str, Model]]:
        """The whole set, and for each budget and kind of labels the random images to compare with."""
        scored = {each.synset for each in found}
        selections = (_selection(each) for each in found if each.metric == COUNT)
        wanted = dict.fromkeys([WHOLE, *(each.subject for each in selections)])
        return [(name, each) for each in self.candidates(model) for name in wanted if name not in scored]

    def score(
        self, inputs: EvaluatorInputs, model: Model, streams: Streams, progress: Callable[[float], None]
    ) -> Scores:
        """Accuracies on the test split after the last epoch, in percent, each at its best learning rate.

        Of a synset with its own labels, without augmentation and with hard labels; of random images, which
        are drawn anew for each run, without the last; of the whole set with hard labels only.

        Raises:
            InputError: the synset's images or classes differ from the dataset's, or a network that labels
                random images is missing.
        """
        setups = list(self._setups(inputs, streams))
        total, done = sum(each.epochs * len(each.rates) for each in setups), 0
        scores: Scores = {}
        for each in setups:
            recipe = self if each.augmented else self._without_augmentation()
            tried: list[tuple[float, float]] = []
            for rate in each.rates:
                network = model.fresh(each.split.spec, streams, each.split.device)
                for further in recipe.trained(network, each.split, each.epochs, first_rate=rate):
                    network, done = further, done + 1
                    progress(done / total)
                tested = accuracy(network, inputs.test, each.split.spec)
                elsewhere = self.tuned_on == "train" and len(each.rates) > 1
                tuned = accuracy(network, inputs.train, each.split.spec) if elsewhere else tested
                tried.append((tuned, tested))
            scores[Point(each.metric, detail=True)] = max(tried, key=itemgetter(0))[1]
        if inputs.subject == WHOLE or Selection.named(inputs.subject):
            return scores
        scores.setdefault(Point(HARD, detail=True), scores[Point(OWN, detail=True)])
        scores[Point(COUNT, detail=True)] = _images_stored(inputs)
        return scores

    def _setups(self, inputs: EvaluatorInputs, streams: Streams) -> Iterator[Setup]:
        if inputs.subject == WHOLE:
            rates = (self.training.learning_rate,)
            yield Setup(HARD, inputs.train, self.augment_hard, self.whole_epochs, rates)
            return
        selection = Selection.named(inputs.subject)
        if selection:
            chosen = _chosen(inputs.train, selection.per_class, streams)
            own = inputs.labelled(chosen) if selection.soft else chosen
        else:
            own = inputs.synthetic
            refuse_other_images(own.spec, inputs.test.spec)
        matched = inputs.matched_per_class or len(own) // len(own.spec.classes)
        epochs = self.epochs_of(len(own), matched, own.spec)
        rates = self.learning_rates or (self.training.learning_rate,)
        yield Setup(OWN, own, True, epochs, rates)
        if self.augmentation_robust:
            yield Setup(PLAIN, own, False, epochs, rates)
        if not selection and own.labels.is_floating_point():
            yield Setup(HARD, _with_hard_labels(own), self.augment_hard, epochs, rates)

    def _without_augmentation(self) -> "DDRanking":
        training = self.training.model_copy(update={"augment": (), "cutmix": 0.0})
        return self.model_copy(update={"training": training})

    def concluded(self, found: Sequence[Evaluation], model: Model) -> list[Evaluation]:
        """The scores of each synset, one for each run: its accuracy with that of the same run elsewhere.

        Both robust scores are from 0 to 100, improvement over random and hard-label recovery are differences
        of accuracies in percentage points. A synset is left out if what it is compared with is not scored.
        """
        accuracies: dict[tuple[str, str], dict[str, Sequence[float]]] = {}
        for each in found:
            accuracies.setdefault((each.synset, each.model), {})[each.metric] = each.values
        derived: list[Evaluation] = []
        for each in (each for each in found if each.metric == COUNT):
            ours = accuracies[each.synset, each.model]
            random = accuracies.get((_selection(each).subject, each.model), {})
            whole = accuracies.get((WHOLE, each.model), {})
            improvement, plain = _above(ours, random, OWN), _above(ours, random, PLAIN)
            recovery = [-difference for difference in _above(ours, whole, HARD)]
            if not (improvement and recovery):
                continue
            pairs = zip(improvement, recovery, strict=True)
            named = {"label-robust score": [label_robust_score(*pair, self.weight) for pair in pairs]}
            if plain:
                pairs = zip(improvement, plain, strict=True)
                robust = [augmentation_robust_score(*pair, self.augmentation_weight) for pair in pairs]
                named["augmentation-robust score"] = robust
            named |= {"improvement over random, points": improvement, "hard-label recovery, points": recovery}
            if plain:
                named[PLAIN_IMPROVEMENT] = plain
            derived += [
                each.model_copy(
                    update={
                        "metric": metric,
                        "values": tuple(numbers),
                        # Most of it is in the score already.
                        "detail": metric == PLAIN_IMPROVEMENT,
                    }
                )
                for metric, numbers in named.items()
            ]
        return derived


def _above(ours: Accuracies, others: Accuracies, metric: str) -> list[float]:
    """By how much accuracies of a synset are above others, run by run; nothing if these are not known."""
    # The draws of a baseline are pooled, and each has as many runs as the real data.
    pairs = zip(ours.get(metric, ()), cycle(others.get(metric, ())), strict=False)
    return [own - other for own, other in pairs]


def _selection(of_synset: Evaluation) -> Selection:
    return Selection(int(of_synset.values[0]), of_synset.labels == "soft")


def _images_stored(inputs: EvaluatorInputs) -> int:
    """How many real images of a class, with their labels if these are soft, take as many stored numbers."""
    spec, soft = inputs.synthetic.spec, inputs.synthetic.labels.is_floating_point()
    classes = len(spec.classes)
    of_image = spec.channels * spec.height * spec.width + classes * soft
    return max(1, sum(code.numel() for code in inputs.codes.values()) // (classes * of_image))


def _chosen(real: Split, per_class: int, streams: Streams) -> Split:
    """Random images of each class; all of a class that has fewer."""
    members = ordered_members(real, "random", streams.child("random images"))
    return real.at(torch.cat([each[:per_class] for each in members]))


def _with_hard_labels(synthetic: Split) -> Split:
    """The images of a synset, which are sorted by class, with the classes that they stand for."""
    classes = len(synthetic.spec.classes)
    labels = torch.arange(classes, device=synthetic.device).repeat_interleave(len(synthetic) // classes)
    return replace(synthetic, labels=labels, known_fingerprint=None)
