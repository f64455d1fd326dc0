"""What a notebook shows of a pipeline."""

from typing import Any

import pytest

from displayed import displayed
from idc.config.overview import shortest
from idc.config.pipeline import Pipeline
from repository import PIPELINES
from small import small_pipeline


def others(pipeline: Pipeline) -> dict[str, list[str]]:
    """By table: its type and what is not a default."""
    return {name: rest for name, *rest in displayed(pipeline).rows[1:]}


def test_each_table_is_a_row_with_what_its_type_does_not_provide() -> None:
    rows = displayed(small_pipeline()).rows
    assert rows[1:] == [
        ["[dataset]", "digits", "size = 8"],
        ["[model]", "convnet", "depth = 2, width = 4"],
        ["[init]", "mix", ""],
        ["[decoder]", "multiformation", ""],
        ["[[augment]]", "dsa", ""],
        ["[sampler]", "epoch", "batch_size = 8"],
        ["[objective]", "gradient", ""],
        ["[networks]", "real", "images = 100"],
        ["[optimizer]", "sgd", "learning_rate = 0.01"],
        ["[labels]", "hard", ""],
        ["[[baseline]]", "", 'name = "random", init.type = "random", decoder.type = "raw"'],
        ["[[evaluate]]", "retrain", "runs = 2, epochs = 3"],
    ]


def test_settings_that_differ_from_their_defaults_stand_above() -> None:
    text = displayed(small_pipeline(compile=False)).text
    assert 'method = "idc", images_per_class = 2, iterations = 2, inner_steps = 2, compile = false' in text
    assert "seed" not in text.partition("table")[0]


def test_defaults_are_those_of_the_protocol() -> None:
    shown = others(small_pipeline(evaluate=[{"type": "retrain", "protocol": "dsa-2021", "runs": 2}]))
    assert shown["[[evaluate]]"] == ["retrain", 'runs = 2, protocol = "dsa-2021"']


def test_nested_tables_show_their_differences_only() -> None:
    flip = {"type": "dsa", "strategy": "flip"}
    training = {"cutmix": 0.5, "momentum": 0.9, "augment": [flip]}
    shown = others(small_pipeline(networks={"type": "real", "images": 100, "training": training}))
    augment = 'training.augment = [{type = "dsa", strategy = "flip"}]'
    assert shown["[networks]"] == ["real", f"images = 100, {augment}, training.cutmix = 0.5"]


def test_the_resolved_pipeline_is_folded() -> None:
    pipeline = small_pipeline()
    shown = displayed(pipeline)
    assert {"details", "summary", "pre"} <= shown.names()
    assert pipeline.toml() in shown.text


def test_text_is_escaped() -> None:
    score: dict[str, Any] = {"synset": "idc", "accuracy": 1, "source": "<script>alert(1)</script>"}
    shown = displayed(small_pipeline(published=[score]))
    assert "script" not in shown.names()
    assert shown.text.count("<script>alert(1)</script>") == 2


@pytest.mark.parametrize("name", ["digits-dance", "digits-class-incremental", "cifar10-ipc1-idm"])
def test_what_is_shown_of_a_table_resolves_to_it(name: str) -> None:
    pipeline = Pipeline.load(PIPELINES / f"{name}.toml")
    tables = [pipeline.networks, pipeline.objective, *pipeline.baseline, *pipeline.evaluate]
    for table in tables:
        short = shortest(table)
        assert type(table).model_validate(short) == table
        assert len(str(short)) < len(str(table.model_dump(exclude_none=True)))
