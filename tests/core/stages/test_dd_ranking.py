"""DD-Ranking's scores: which accuracies they compare, and that they are those of the public package."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from idc import Synset, baselines, condense
from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.experiment.score import concluded, evaluate_all, real_alone
from idc.kinds import Evaluation, EvaluatorInputs
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.stages.evaluators.dd_ranking import (
    COUNT,
    HARD,
    OWN,
    PLAIN,
    PLAIN_IMPROVEMENT,
    WHOLE,
    DDRanking,
    Selection,
)
from idc.stages.evaluators.protocols import PROTOCOLS
from idc.stages.evaluators.retrain import Retrain
from idc.testing import SPEC, toy_split, toy_synset
from idc_models.convnet import ConvNet
from messages import assert_names
from small import small_pipeline

MODEL = ConvNet(depth=1, width=4)


def noisy(per_class: int, seed: int) -> Split:
    """Images that a network learns so slowly that each way of training has an accuracy of its own."""
    split = toy_split(per_class, seed=seed)
    noise = torch.rand(split.pixels.shape, generator=Streams(seed).generator("noise"))
    return replace(split, pixels=(0.15 * split.pixels + 0.85 * 255 * noise).byte())


DATA, SYNTHETIC = RealData(noisy(24, 0), noisy(150, 1)), noisy(2, 3)
TRAINING = {"batch_size": 8, "learning_rate": 0.1}
TABLE = {"epochs": 3, "whole_epochs": 2, "runs": 2, "learning_rates": [0.1], "training": TRAINING}
RANDOM = "random, 2 per class"
LABELLED = f"{RANDOM}, labelled by the pipeline"

# What the public package (github.com/NUS-HPC-AI-Lab/DD-Ranking, commit b8b09664) makes of these accuracies:
# its three classes' `compute_metrics`, with their methods that train networks replaced by ones that return
# these numbers divided by 100.
ACCURACIES = {
    WHOLE: (84.37, 83.92, 84.81),
    OWN: (48.21, 47.55, 49.03),
    HARD: (31.64, 30.98, 32.47),
    RANDOM: (26.43, 27.18, 25.96),
    PLAIN: (40.12, 41.37, 39.88),
    "random without augmentation": (20.57, 21.93, 19.74),
}
GOLDEN = {
    # Labels, weight: label-robust scores of the three runs, hard-label recovery.
    ("hard", 0.5): (
        (0.23942475357658613, 0.23623057405755302, 0.2427447141315874),
        (0.3616, 0.3637, 0.3578),
    ),
    ("hard", 0.3): (
        (0.19610156279779883, 0.19409735075689594, 0.1984117006010944),
        (0.3616, 0.3637, 0.3578),
    ),
    ("soft", 0.5): (
        (0.20794306094786222, 0.20500285316500125, 0.21101742511116725),
        (0.5273, 0.5294, 0.5234),
    ),
    ("soft", 0.3): (
        (0.15748416305154808, 0.1556994440397888, 0.1595634289997352),
        (0.5273, 0.5294, 0.5234),
    ),
}
IMPROVEMENT, IMPROVEMENT_PLAIN = (0.2178, 0.2037, 0.2307), (0.1955, 0.1944, 0.2014)
AUGMENTATION_ROBUST = {
    0.5: (0.3666064656406402, 0.362645792040578, 0.37154701646953586),
    0.3: (0.36427852727863363, 0.3616810455442461, 0.3684616066465991),
}


def ranking(**fields: Any) -> DDRanking:
    return DDRanking.model_validate({**TABLE, **fields})


def evaluation(evaluator: DDRanking, subject: str, metric: str, *values: float, **more: Any) -> Evaluation:
    told = {
        "type": evaluator.type,
        "protocol": evaluator.protocol_as_run(),
        "model": "convnet",
        "detail": True,
    }
    return Evaluation(**told, synset=subject, metric=metric, values=values, **more)


def given(evaluator: DDRanking, labels: str) -> list[Evaluation]:
    """`ACCURACIES` as they would be scored."""
    numbers, random = ACCURACIES, LABELLED if labels == "soft" else RANDOM
    of_synset: dict[str, Any] = {"labels": labels, "budget": 7}
    own = {OWN: numbers[OWN], PLAIN: numbers[PLAIN], HARD: numbers[OWN if labels == "hard" else HARD]}
    return [
        evaluation(evaluator, "fast", COUNT, 2, 2, 2, **of_synset),
        *(evaluation(evaluator, "fast", metric, *own[metric], **of_synset) for metric in own),
        evaluation(evaluator, WHOLE, HARD, *numbers[WHOLE]),
        evaluation(evaluator, random, OWN, *numbers[RANDOM]),
        evaluation(evaluator, random, PLAIN, *numbers["random without augmentation"]),
    ]


@pytest.mark.parametrize(("labels", "weight"), GOLDEN)
def test_the_scores_are_the_public_packages(labels: str, weight: float) -> None:
    evaluator = ranking(weight=weight, augmentation_weight=weight)
    derived = evaluator.concluded(given(evaluator, labels), MODEL)
    robust, recovery = GOLDEN[labels, weight]
    expected = {
        "label-robust score": robust,
        "augmentation-robust score": AUGMENTATION_ROBUST[weight],
        "improvement over random, points": IMPROVEMENT,
        "hard-label recovery, points": recovery,
        PLAIN_IMPROVEMENT: IMPROVEMENT_PLAIN,
    }
    assert [each.metric for each in derived] == list(expected)
    for each in derived:
        assert each.values == pytest.approx([100 * value for value in expected[each.metric]], rel=1e-12)
        assert (each.synset, each.model, each.labels, each.budget) == ("fast", "convnet", labels, 7)
        assert each.listed == (each.metric != PLAIN_IMPROVEMENT)


def test_scores_go_from_0_to_100() -> None:
    evaluator = ranking()

    def scores(whole: float, own: float, random: float) -> list[float]:
        found = [
            evaluation(evaluator, "fast", COUNT, 2),
            *(evaluation(evaluator, "fast", metric, own) for metric in (OWN, PLAIN, HARD)),
            evaluation(evaluator, WHOLE, HARD, whole),
            *(evaluation(evaluator, RANDOM, metric, random) for metric in (OWN, PLAIN)),
        ]
        return [each.mean for each in evaluator.concluded(found, MODEL)[:2]]

    assert scores(100, 0, 100) == pytest.approx([0, 0], abs=1e-12)
    assert scores(0, 100, 0) == pytest.approx([100, 100])


def test_draws_of_a_baseline_are_compared_run_by_run_with_the_same_real_images() -> None:
    evaluator = ranking(augmentation_robust=False)
    found = [
        evaluation(evaluator, "random", COUNT, 2, 2, 2, 2),
        evaluation(evaluator, "random", OWN, 50, 51, 52, 53),
        evaluation(evaluator, "random", HARD, 50, 51, 52, 53),
        evaluation(evaluator, WHOLE, HARD, 90, 80),
        evaluation(evaluator, RANDOM, OWN, 40, 30),
    ]
    derived = {each.metric: each.values for each in evaluator.concluded(found, MODEL)}
    assert list(derived) == [
        "label-robust score",
        "improvement over random, points",
        "hard-label recovery, points",
    ]
    assert derived["improvement over random, points"] == (10, 21, 12, 23)
    assert derived["hard-label recovery, points"] == (40, 29, 38, 27)


def test_only_what_is_known_under_the_same_protocol_is_compared() -> None:
    evaluator, other = ranking(), ranking(epochs=5)
    found = given(evaluator, "hard")
    assert evaluator.concluded(found[:-2], MODEL) == [], "no random images"
    assert evaluator.concluded([each for each in found if each.synset != WHOLE], MODEL) == []
    plan = small_pipeline().model_copy(update={"model": MODEL, "evaluate": (evaluator, other)})
    assert concluded(plan, found) == evaluator.concluded(found, MODEL), "of the other table there are none"
    with Execution(precision="bf16").active():
        protocol = evaluator.protocol_as_run()
    assert "bf16" in protocol
    rounded = [each.model_copy(update={"protocol": protocol}) for each in found]
    assert len(concluded(plan, rounded)) == 5


def scored(evaluator: DDRanking, *synsets: Synset, **overrides: Any) -> list[Evaluation]:
    plan = small_pipeline(**overrides).model_copy(update={"model": MODEL, "evaluate": (evaluator,)})
    rows = evaluate_all([*synsets, *real_alone(plan)], DATA, plan, device="cpu")
    found = [each for row in rows for each in row.evaluations]
    return [*found, *concluded(plan, found)]


def by_subject(found: list[Evaluation]) -> dict[tuple[str, str], tuple[float, ...]]:
    return {(each.synset, each.metric): each.values for each in found}


def test_a_hard_labelled_synset_is_compared_with_random_images_and_the_whole_set() -> None:
    synset, _ = toy_synset(DATA)
    found = scored(ranking(), synset)
    assert [(each.synset, each.metric) for each in found if each.detail][:-1] == [
        *(("synset", metric) for metric in (OWN, PLAIN, HARD, COUNT)),
        (WHOLE, HARD),
        (RANDOM, OWN),
        (RANDOM, PLAIN),
    ]
    values = by_subject(found)
    assert values["synset", COUNT] == (2.0, 2.0)
    assert values["synset", HARD] == values["synset", OWN]
    improvement = values["synset", "improvement over random, points"]
    differences = zip(values["synset", OWN], values[RANDOM, OWN], strict=True)
    assert improvement == tuple(own - other for own, other in differences)
    # The same images are scored once, whatever else is.
    again = by_subject(scored(ranking(augmentation_robust=False), synset, synset))
    assert [key for key in again if key[0] == RANDOM] == [(RANDOM, OWN)]
    assert again[RANDOM, OWN] == values[RANDOM, OWN]


def inputs(
    evaluator: DDRanking, subject: str, synthetic: Split | None = None, **more: Any
) -> EvaluatorInputs:
    codes = {"images": torch.zeros(2, 2, *SPEC.shape)}
    return EvaluatorInputs(evaluator.needs, DATA, subject, synthetic, 2, codes, **more)


def scores_of(
    evaluator: DDRanking, subject: str, synthetic: Split | None = None, run: int = 0, **more: Any
) -> dict[str, float]:
    given = inputs(evaluator, subject, synthetic, **more)
    found = evaluator.score(given, MODEL, Streams(0).child(run), lambda fraction: None)
    assert all(not isinstance(metric, str) and metric.detail for metric in found)
    return {metric[0]: value for metric, value in found.items()}


def retrained(split: Split, epochs: int = 3, **training: Any) -> float:
    """The accuracy that `retrain` finds after training in the same way."""
    table = {"protocol": "dd-ranking-2025", "epochs": epochs, "training": {**TRAINING, **training}}
    evaluator = Retrain.model_validate(table)
    given = EvaluatorInputs(evaluator.needs, DATA, "", split, 2)
    return evaluator.score(given, MODEL, Streams(0).child(0), lambda fraction: None)["accuracy"]


def test_accuracies_on_a_synset_and_on_the_whole_set_are_those_of_retrain() -> None:
    split = SYNTHETIC
    found = scores_of(ranking(), "synset", split)
    assert found == {OWN: retrained(split), PLAIN: retrained(split, augment=[]), HARD: found[OWN], COUNT: 2}
    assert found[OWN] != found[PLAIN]
    plain, augmented = retrained(DATA.train, 2, augment=[]), retrained(DATA.train, 2)
    assert plain != augmented
    assert scores_of(ranking(), WHOLE) == {HARD: plain}
    assert scores_of(ranking(augment_hard=True), WHOLE) == {HARD: augmented}


def test_hard_labels_of_a_soft_labelled_synset_are_the_classes_of_its_images() -> None:
    split = SYNTHETIC
    # The teacher takes the second image for one of the other class.
    labels = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    soft = replace(split, labels=labels)
    found = scores_of(ranking(), "synset", soft)
    assert found[OWN] == retrained(soft)
    assert found[PLAIN] == retrained(soft, augment=[])
    assert found[HARD] == retrained(split, augment=[])
    assert scores_of(ranking(augment_hard=True), "synset", soft)[HARD] == retrained(split)
    assert len({*found.values()}) == 4, "the accuracies tell them apart"


def test_random_images_are_drawn_anew_for_each_run_and_labelled_as_the_synset_is() -> None:
    selections: list[Split] = []

    def label(real: Split) -> Split:
        selections.append(real)
        return replace(real, labels=torch.full((len(real), 2), 0.5))

    evaluator = ranking()
    for run in (0, 0, 1):
        found = scores_of(evaluator, LABELLED, run=run, label=label)
        assert list(found) == [OWN, PLAIN]
    first, again, other = selections
    assert first.labels.tolist() == [0, 0, 1, 1]
    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, other.pixels)
    scored = scores_of(evaluator, RANDOM, label=label)
    assert len(selections) == 3, "those of a synset with hard labels keep theirs"
    assert scored == {OWN: retrained(first), PLAIN: retrained(first, augment=[])}
    scores_of(evaluator, "random, 100 per class, labelled by the pipeline", label=label)
    assert len(selections[3]) == len(DATA.train), "a class has no more"


@pytest.mark.parametrize(
    ("stored", "soft", "count"),
    [
        # 2 classes of images of 3x8x8 = 192 numbers, and 2 more for each soft label.
        ({"images": (2, 5, 3, 8, 8)}, False, 5),
        ({"images": (2, 5, 3, 8, 8), "soft_labels": (2, 5, 2)}, True, 5),
        ({"images": (2, 5, 3, 8, 8), "soft_labels": (2, 100, 2)}, True, 5),
        ({"frequencies": (2, 20, 40), "mean": (3, 8, 8)}, False, 4),
        ({"frequencies": (2, 7)}, False, 1),
    ],
)
def test_there_are_as_many_random_images_as_take_the_stored_numbers(
    stored: dict[str, tuple[int, ...]], soft: bool, count: int
) -> None:
    split = toy_split(8)
    labels = torch.eye(2)[split.labels] if soft else split.labels
    evaluator = ranking(epochs=1, augmentation_robust=False)
    codes = {name: torch.zeros(shape) for name, shape in stored.items()}
    given = EvaluatorInputs(evaluator.needs, DATA, "synset", replace(split, labels=labels), 8, codes)
    found = evaluator.score(given, MODEL, Streams(0), lambda fraction: None)
    assert {metric[0]: value for metric, value in found.items()}[COUNT] == count
    (told,) = (evaluation(evaluator, "synset", COUNT, count, labels="soft" if soft else "hard"),)
    name = Selection(count, soft).subject
    assert evaluator.alone([told], MODEL) == [(WHOLE, MODEL), (name, MODEL)]
    assert Selection.named(name) == (count, soft)


def test_the_best_learning_rate_counts_where_it_is_tuned() -> None:
    split = SYNTHETIC
    each = {rate: scores_of(ranking(learning_rates=[rate]), "synset", split)[OWN] for rate in (1e-6, 0.1)}
    assert each[1e-6] != each[0.1]
    assert each[0.1] == retrained(split)
    best = max(each.values())
    for rates in ([1e-6, 0.1], [0.1, 1e-6]):
        assert scores_of(ranking(learning_rates=rates), "synset", split)[OWN] == best
        assert scores_of(ranking(learning_rates=rates, tuned_on="test"), "synset", split)[OWN] == best
    assert scores_of(ranking(learning_rates=[]), "synset", split)[OWN] == each[0.1], "that of the training"


def test_tuning_looks_at_the_split_it_is_told() -> None:
    # With wrong labels in the test split, the rate that learns best is the worst there.
    swapped = RealData(DATA.train, replace(DATA.test, labels=1 - DATA.test.labels))
    rates = (1e-6, 0.1)

    def accuracy(tuned_on: str, *rates: float) -> float:
        evaluator = ranking(learning_rates=rates, tuned_on=tuned_on, augmentation_robust=False)
        given = EvaluatorInputs(
            evaluator.needs, swapped, "synset", SYNTHETIC, 2, {"images": SYNTHETIC.images()}
        )
        return next(iter(evaluator.score(given, MODEL, Streams(0), lambda fraction: None).values()))

    slow, fast = (accuracy("test", rate) for rate in rates)
    assert fast < slow
    assert accuracy("train", *rates) == fast
    assert accuracy("test", *rates) == slow


def test_progress_ends_at_1() -> None:
    shares: list[float] = []
    evaluator = ranking(learning_rates=[0.1, 0.01])
    evaluator.score(inputs(evaluator, "synset", toy_split(2)), MODEL, Streams(0), shares.append)
    assert len(shares) == 2 * 2 * 3
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_random_images_get_the_labels_of_the_pipeline() -> None:
    pool = {"networks": 1, "epochs": [1], "training": {"batch_size": 8}}
    labels = {"type": "teacher", "pool": pool, "temperature": 2.0}
    plan = small_pipeline(augment=[], labels=labels, iterations=0, decoder={"type": "raw"})
    plan = plan.model_copy(update={"model": MODEL, "evaluate": (ranking(),)})
    synset = condense(plan, DATA, device="cpu").synset()
    assert synset.header.labels == "soft"
    rows = evaluate_all([synset, *baselines(plan, DATA, device="cpu"), None], DATA, plan, device="cpu")
    found = [each for row in rows for each in row.evaluations]
    values = by_subject(found)
    alone = [subject for subject, _ in values if subject not in ("idc", "random")]
    assert alone == [WHOLE, LABELLED, LABELLED], "the baseline is labelled, too, and shares them"

    def label(real: Split) -> Split:
        logits = plan.labels.logits(real.batch(), MODEL, DATA.train)
        return replace(real, labels=logits.softmax(1))

    for run in range(2):
        given = inputs(ranking(), LABELLED, label=label)
        streams = Streams(plan.seed).child("evaluate", 0, run)
        scores = ranking().score(given, MODEL, streams, lambda fraction: None)
        assert list(scores.values()) == [values[LABELLED, OWN][run], values[LABELLED, PLAIN][run]]
    derived = concluded(plan, found)
    assert {each.synset for each in derived} == {"idc", "random"}
    assert {each.labels for each in derived} == {"soft"}
    hard = zip(values[WHOLE, HARD], values["idc", HARD], strict=True)
    recovery = by_subject(derived)["idc", "hard-label recovery, points"]
    assert recovery == tuple(whole - own for whole, own in hard)


def test_the_protocol_is_the_public_packages() -> None:
    evaluator = DDRanking.model_validate({})
    assert (evaluator.runs, evaluator.weight, evaluator.augmentation_weight) == (5, 0.5, 0.5)
    assert evaluator.learning_rates == (0.001, 0.005, 0.01, 0.05, 0.1)
    rates = [evaluator.learning_rate(epoch, 1000) for epoch in (0, 499, 500, 999)]
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001])
    assert [evaluator.learning_rate(epoch, 200, 0.1) for epoch in (99, 100)] == pytest.approx([0.1, 0.01])
    assert evaluator.protocol_as_run() == "dd-ranking-2025"
    said = ranking(learning_rates=[], tuned_on="test").protocol_as_run()
    for part in ("learning_rates none", "tuned_on test", "whole_epochs 2"):
        assert part in said
    assert evaluator.training == Retrain.model_validate({"protocol": "dsa-2021"}).training
    assert "dd-ranking-2025" in PROTOCOLS


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"training": {**TRAINING, "augment": []}}, ["training.augment = []", "augmentation_robust = false"]),
        ({"models": [{"type": "convnet", "depth": 9}]}, ["evaluate: models.0", "depth: 9"]),
    ],
)
def test_fields_that_do_not_fit_are_refused(fields: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as error:
        ranking(**fields).refuse_unfit(SPEC, MODEL)
    assert_names(str(error.value), *parts)
    allowed = {**fields, "augmentation_robust": False, "models": []}
    ranking(**allowed).refuse_unfit(SPEC, MODEL)


@pytest.mark.parametrize(
    "fields", [{"weight": 1.5}, {"augmentation_weight": -0.1}, {"learning_rates": [0.0]}, {"whole_epochs": 0}]
)
def test_numbers_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(ValueError, match=name):
        ranking(**fields)


def test_labels_of_other_networks_are_not_mixed() -> None:
    with pytest.raises(InputError) as error:
        ranking(training={**TRAINING, "cutmix": 0.5}).refuse_soft_labels()
    assert_names(str(error.value), "0.5", "training.cutmix = 0")


def test_estimates_count_every_network_on_the_synset() -> None:
    one = Retrain.model_validate({"epochs": 3, "runs": 2}).operations(8, 4, SPEC, MODEL)
    many = ranking(learning_rates=[0.1, 0.01, 0.001])
    assert many.operations(8, 4, SPEC, MODEL) == pytest.approx(6 * one)
    once = many.model_copy(update={"augmentation_robust": False})
    assert once.operations(8, 4, SPEC, MODEL) == pytest.approx(3 * one)
