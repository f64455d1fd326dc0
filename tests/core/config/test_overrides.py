"""``--set KEY=VALUE``: what it takes, and where it puts it."""

import pytest

from idc.config.overrides import parse_assignments
from idc.errors import InputError
from messages import assert_names
from small import small_pipeline


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("decoder.factor=3", "decoder.factor", 3),
        ("optimizer.learning_rate = 1e-3", "optimizer.learning_rate", 1e-3),
        ("objective.bias=true", "objective.bias", True),
        ('augment=[{type="dsa"}]', "augment", [{"type": "dsa"}]),
        ("objective.metric=l1", "objective.metric", "l1"),
        ("name=a=b", "name", "a=b"),
    ],
)
def test_assignments(assignment: str, key: str, value: object) -> None:
    assert parse_assignments([assignment]) == {key: value}


@pytest.mark.parametrize("assignment", ["seed", "=3", " =3"])
def test_what_is_not_an_assignment(assignment: str) -> None:
    with pytest.raises(InputError, match=r"is not KEY=VALUE; write, for example, --set decoder\.factor=3"):
        parse_assignments([assignment])


def test_overrides_reach_into_tables_and_lists() -> None:
    pipeline = small_pipeline().override(
        {"decoder.factor": 3, "evaluate.0.training.cutmix": 0.0, "augment.0.strategy": "crop"}
    )
    expected = small_pipeline().table()
    expected["decoder"]["factor"] = 3
    expected["evaluate"][0]["training"]["cutmix"] = 0.0
    expected["augment"][0]["strategy"] = "crop"
    assert pipeline.table() == expected


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("evaluate.runs", ["'runs'", "evaluate, a list of 1", "evaluate.0"]),
        ("evaluate.1.runs", ["'1'", "evaluate, a list of 1", "evaluate.0"]),
        ("seed.x", ["0", "'x'"]),
    ],
)
def test_overrides_that_lead_nowhere(key: str, problem: list[str]) -> None:
    with pytest.raises(InputError) as error:
        small_pipeline().override({key: 1})
    assert_names(str(error.value), f"{key}: ", *problem)


@pytest.mark.parametrize("assignment", ["augment=[{type=dsa}]", "dataset={type='digits'", 'name="x'])
def test_lists_tables_and_quoted_texts_must_be_toml(assignment: str) -> None:
    key, _, value = assignment.partition("=")
    with pytest.raises(InputError) as error:
        parse_assignments([assignment])
    assert_names(str(error.value), f"--set {key}: ", repr(value), "TOML", "quotes", "--set ")


def test_another_type_empties_the_stage() -> None:
    pipeline = small_pipeline().override({"decoder.type": "raw", "sampler.batch_size": 4})
    assert pipeline.table()["decoder"] == {"type": "raw", "labels": "hard"}
    assert pipeline.table()["sampler"]["batch_size"] == 4
    same = small_pipeline().override({"decoder.type": "multiformation"})
    assert same == small_pipeline()


def test_another_protocol_brings_its_own_recipe() -> None:
    resolved = small_pipeline()
    changed = resolved.override({"evaluate.0.protocol": "dc-2021", "evaluate.0.epochs": 4})
    (evaluator,) = changed.table()["evaluate"]
    assert (evaluator["runs"], evaluator["epochs"], evaluator["decay"]) == (2, 4, 0.1)
    assert evaluator["training"]["batch_size"] == 256
    assert resolved.override({"evaluate.0.protocol": "idc-2022"}) == resolved
