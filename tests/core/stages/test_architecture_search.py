"""Architecture search with a synset as the proxy of the real data."""

from typing import Any

import pytest
import scipy.stats

from idc.data.split import RealData
from idc.errors import InputError
from idc.experiment.score import concluded, evaluate_all, real_alone
from idc.kinds import Evaluation, EvaluatorInputs
from idc.seeding import Streams
from idc.stages.evaluators.architecture_search import (
    ALONG,
    ARITHMETIC,
    EARLY,
    PROXY,
    WHOLE,
    ArchitectureSearch,
)
from idc.testing import toy_split, toy_synset
from idc_models.convnet import ConvNet
from messages import assert_names
from small import small_pipeline

BASE = ConvNet(depth=1, width=4)
PLAIN = {"augment": [], "cutmix": 0.0, "learning_rate": 0.1, "batch_size": 8}
GRID = {"width": [4, 8], "pooling": ["average", "max", "none"]}


def search(**fields: Any) -> ArchitectureSearch:
    table = {"grid": GRID, "epochs": 2, "whole": "all", "whole_epochs": 1, "training": PLAIN, **fields}
    return ArchitectureSearch.model_validate(table)


def scored(evaluator: ArchitectureSearch) -> list[Evaluation]:
    synset, data = toy_synset()
    plan = small_pipeline().model_copy(update={"model": BASE, "evaluate": (evaluator,)})
    assert real_alone(plan) == ([None] if evaluator.alone([], BASE) else [])
    rows = list(evaluate_all([synset, None], data, plan, device="cpu"))
    found = [each for row in rows for each in row.evaluations]
    return [*found, *concluded(plan, found)]


def test_candidates_are_all_combinations_in_the_order_of_the_grid() -> None:
    labels = [each.label() for each in search().candidates(BASE)]
    assert labels[:4] == [
        "convnet (depth=1, width=4)",
        "convnet (depth=1, width=4, pooling=max)",
        "convnet (depth=1, width=4, pooling=none)",
        "convnet (depth=1, width=8)",
    ]
    assert len(set(labels)) == 6
    assert len(search(grid={"width": [4, 8, 4]}).candidates(BASE)) == 2
    mixed = search(grid={"type": ["convnet", "mlp"]}, models=[{"type": "mlp"}])
    assert [each.type for each in mixed.candidates(BASE)] == ["convnet", "mlp"]


def test_each_candidate_is_trained_on_the_synset_and_on_the_whole_set() -> None:
    found = scored(search(early_steps=3))
    raw = [each for each in found if each.metric == PROXY and each.at is None]
    assert [each.synset for each in raw] == ["synset"] * 6 + [EARLY] * 6 + [WHOLE] * 6
    assert all(each.detail for each in raw)
    points = [each for each in found if each.at is not None]
    assert len(points) == 12
    real = {each.model: each.mean for each in raw if each.synset == WHOLE}
    for each in points:
        assert (each.along, each.at, each.detail) == (ALONG, real[each.model], True)


def test_what_is_selected_and_how_it_is_ranked_follow_from_the_scores() -> None:
    evaluator = search()
    labels = [each.label() for each in evaluator.candidates(BASE)]
    proxies, real = [50.0, 60.0, 55.0, 70.0, 40.0, 65.0], [80.0, 82.0, 81.0, 90.0, 70.0, 95.0]

    def evaluation(subject: str, metric: str, label: str, value: float) -> Evaluation:
        return Evaluation(
            type=evaluator.type,
            protocol="p",
            model=label,
            metric=metric,
            values=(value,),
            synset=subject,
            budget=0 if subject == WHOLE else 7,
            detail=True,
        )

    found = [
        evaluation(subject, metric, label, value)
        for subject, values in (("fast", proxies), (WHOLE, real))
        for label, value in zip(labels, values, strict=True)
        for metric in (PROXY, ARITHMETIC)
    ]
    derived = {
        (each.synset, each.metric): each for each in evaluator.concluded(found, BASE) if not each.detail
    }
    selected = derived["fast", "accuracy"]
    assert (selected.model, selected.values, selected.budget) == (labels[3], (90.0,), 7)
    assert derived[WHOLE, "accuracy"].model == labels[5]
    rho = float(scipy.stats.spearmanr(proxies, real).statistic)  # pyright: ignore[reportAttributeAccessIssue]
    assert derived["fast", "rank correlation"].values == pytest.approx((rho,))
    assert derived["fast", "rank correlation, best 10"].values == pytest.approx((rho,))
    assert derived[WHOLE, "rank correlation"].values == pytest.approx((1.0,))
    assert derived["fast", ARITHMETIC].values == pytest.approx((sum(proxies),))
    assert derived["fast", "rank correlation"].summary() == f"{rho:.2f}"
    assert evaluator.concluded([each for each in found if each.synset != WHOLE], BASE) == []


def test_only_the_best_of_each_synset_are_trained_on_the_whole_set() -> None:
    found = scored(search(whole=2, early_steps=2))
    raw = [each for each in found if each.metric == PROXY and each.at is None]
    best: set[str] = set()
    for subject in ("synset", EARLY):
        ranked = sorted((each for each in raw if each.synset == subject), key=lambda each: -each.mean)
        best |= {each.model for each in ranked[:2]}
    assert {each.model for each in raw if each.synset == WHOLE} == best
    metrics = {each.metric for each in found if each.synset == "synset" and not each.detail}
    assert "accuracy" in metrics
    assert "rank correlation" not in metrics, "not all are known"


def test_arithmetic_counts_the_images_that_were_trained_on() -> None:
    data = RealData(toy_split(), toy_split(seed=1))
    synthetic = toy_split(5)
    evaluator = search(epochs=3, early_steps=7, whole_epochs=2)
    per_image = BASE.fresh(data.spec, Streams(0)).operations(data.spec.shape)
    for subject, images in (("synset", 3 * 10), (WHOLE, 2 * 48), (EARLY, 48 + 8)):
        inputs = EvaluatorInputs(evaluator.needs, data, subject, synthetic, 5)
        scores = evaluator.score(inputs, BASE, Streams(0), lambda fraction: None)
        (arithmetic,) = (value for metric, value in scores.items() if metric[0] == ARITHMETIC)
        assert arithmetic == pytest.approx(3e-12 * images * per_image)


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"grid": {"width": [4, 0]}}, ["evaluate.grid", "width = 0", "greater than or equal to 1"]),
        ({"grid": {"with": [4]}}, ["evaluate.grid", "with = 4", "width"]),
        ({"grid": {"depth": [1, 9]}}, ["evaluate.grid", "depth=9", "model.depth: 9", "8x8"]),
        ({"models": [{"type": "mlp"}, {"type": "convnet"}]}, ["evaluate.models: 2 models", "name one"]),
    ],
)
def test_grids_that_a_model_refuses_are_refused_before_anything_is_trained(
    fields: dict[str, Any], parts: list[str]
) -> None:
    if "models" in fields:
        fields = {**fields, "grid": {"type": ["convnet"]}}
    with pytest.raises(InputError) as caught:
        search(**fields).refuse_unfit(toy_split().spec, BASE)
    assert_names(str(caught.value), *parts)


@pytest.mark.parametrize("grid", [{}, {"width": []}])
def test_empty_grids_are_refused(grid: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        search(grid=grid)


def test_two_searches_of_one_grid_are_concluded_apart() -> None:
    tables = [search(epochs=epochs, grid={"width": [4, 8]}) for epochs in (1, 2)]
    synset, data = toy_synset()
    plan = small_pipeline().model_copy(update={"model": BASE, "evaluate": tuple(tables)})
    rows = list(evaluate_all([synset, None], data, plan, device="cpu"))
    found = [each for row in rows for each in row.evaluations]
    alone = [
        derived
        for table in tables
        for derived in table.concluded(
            [each for each in found if each.protocol == table.protocol_as_run()], BASE
        )
    ]
    assert concluded(plan, found) == alone
    assert len({each.protocol for each in alone}) == 2
