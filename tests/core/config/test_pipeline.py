"""pipeline.toml: validation, messages, overrides, round trips."""

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema.validators import validator_for

from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from idc.stages.evaluators.protocols import PROTOCOLS
from messages import assert_names
from repository import PIPELINES
from small import TABLE, small_pipeline


@pytest.fixture(scope="module")
def schema() -> Any:
    """A validator, which has checked the schema itself."""
    schema = Pipeline.model_json_schema()
    kind = validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def message(**changes: Any) -> str:
    with pytest.raises(InputError) as error:
        Pipeline.parse({**TABLE, **changes})
    return str(error.value)


def test_json_and_toml_round_trips() -> None:
    pipeline = small_pipeline()
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline
    assert Pipeline.parse(tomllib.loads(pipeline.toml())) == pipeline


def test_the_resolved_pipeline_writes_out_every_default() -> None:
    table = small_pipeline().table()
    assert table["seed"] == 0
    assert table["sampler"] == {"type": "epoch", "batch_size": 8, "max_synthetic": 128}
    optimizer = {"type": "sgd", "learning_rate": 0.01, "momentum": 0.5, "step": "class"}
    assert table["optimizer"] == optimizer
    assert table["evaluate"][0]["training"]["augment"][0]["strategy"] == "color_crop_flip_scale_rotate"


def test_the_sampler_may_be_left_out() -> None:
    table = {key: value for key, value in TABLE.items() if key != "sampler"}
    assert Pipeline.parse(table).sampler.type == "epoch"


@pytest.mark.parametrize("path", sorted(PIPELINES.glob("*.toml")), ids=lambda path: path.stem)
def test_pipeline_files_are_valid_and_fit_the_schema(path: Path, schema: Any) -> None:
    assert Pipeline.load(path).name == path.stem
    schema.validate(read_table(path))
    resolved = Pipeline.load(path).table()
    schema.validate(resolved)


def test_the_schema_knows_files_that_extend_others(schema: Any) -> None:
    text = (PIPELINES / "cifar10-ipc10-idc.toml").read_text()
    table = tomllib.loads(text)
    schema.validate(table)
    with pytest.raises(jsonschema.ValidationError):
        schema.validate({key: table[key] for key in table if key != "extends"})


def test_the_schema_refuses_what_the_pipeline_refuses(schema: Any) -> None:
    for key, value in (("objective", {"metric": "mse"}), ("images_per_class", 0), ("unknown", 1)):
        with pytest.raises(jsonschema.ValidationError):
            schema.validate({**TABLE, key: value})


def test_an_unknown_key_of_a_stage_lists_the_fields() -> None:
    said = message(objective={"type": "gradient", "metrc": "l2"})
    assert_names(said, "objective.metrc: ", "'gradient'", "'metric'?", "metric, bias, fc")


def test_an_unknown_key_in_a_list_of_stages_has_its_position() -> None:
    said = message(augment=[{"type": "dsa"}, {"type": "kornia", "name": "RandomInvert", "p": 1}])
    assert_names(said, "augment.1.p: ", "'kornia'", "name, arguments")


def test_an_unknown_table_lists_the_fields() -> None:
    assert_names(message(decodr={"type": "raw"}), "decodr: ", "'decoder'?", ", ".join(Pipeline.model_fields))


def test_several_problems_are_several_lines() -> None:
    said = message(images_per_class=0, objective={"type": "gradient", "metric": "l2"}).splitlines()
    assert len(said) == 2
    assert_names(said[0], "images_per_class: 0 ", " 1")
    assert_names(said[1], "objective.metric: 'l2' ", "'mse'", "'l1'", "'l1_mean'", "'cos'")


def test_a_missing_stage_says_what_to_add() -> None:
    table = {key: value for key, value in TABLE.items() if key not in ("networks", "optimizer")}
    with pytest.raises(InputError) as error:
        Pipeline.parse(table)
    networks, optimizer = str(error.value).splitlines()
    assert_names(networks, "networks: missing", "[networks]", "type", "frozen, real, synthetic")
    assert_names(optimizer, "optimizer: missing", "[optimizer]", "learning_rate")


def test_a_missing_value_is_named() -> None:
    assert_names(message(optimizer={}), "optimizer.learning_rate: missing")


def test_a_value_where_a_table_belongs() -> None:
    assert_names(message(objective="gradient"), "objective: 'gradient' ", "table", "[objective]")


def test_names_of_synsets_must_differ() -> None:
    assert_names(message(method="random"), "method", "baseline", "random, random")


def test_an_unknown_protocol_lists_the_known() -> None:
    said = message(evaluate=[{"type": "retrain", "protocol": "idc-2021"}])
    assert_names(said, "evaluate.0.protocol: ", "'idc-2021'", *PROTOCOLS)


def test_braces_in_a_key_are_harmless() -> None:
    assert "not a field of" in message(objective={"type": "gradient", "{x}": 1})


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "some.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load_message(path: Path) -> str:
    with pytest.raises(InputError) as error:
        Pipeline.load(path)
    return str(error.value)


def test_a_syntax_error_has_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, "images_per_class = 1\nseed = = 2\n")
    assert_names(load_message(path), f"{path}: ", "TOML", "line 2, column 8")


def test_an_invalid_file_is_named_with_its_problems(tmp_path: Path) -> None:
    path = write(tmp_path, small_pipeline().toml().replace('"gradient"', '"gradent"'))
    first, second = load_message(path).splitlines()
    assert_names(first, f"{path}: ")
    assert_names(
        second,
        "objective: ",
        "'gradent'",
        "'gradient'?",
        "cross-entropy, feature, gradient, logit, mmd",
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    assert_names(load_message(absent), f"{absent}: no such file", ".toml")
    assert_names(load_message(tmp_path), f"{tmp_path}: ", "folder", ".toml")
    assert "not UTF-8 text" in load_message(write(tmp_path, b"\xff\xfe\x00"))


def test_a_pipeline_is_named_after_its_file(tmp_path: Path) -> None:
    table = small_pipeline().table()
    del table["name"]
    import tomli_w

    path = write(tmp_path, tomli_w.dumps(table))
    assert Pipeline.load(path).name == "some"
    assert Pipeline.load(path, {"name": "other"}).name == "other"


def test_a_file_as_changed_by_settings_is_named_so(tmp_path: Path) -> None:
    path = write(tmp_path, small_pipeline().toml())
    with pytest.raises(InputError) as error:
        Pipeline.load(path, {"seed": -1})
    first, second = str(error.value).splitlines()
    assert_names(first, f"{path} ", "overrides")
    assert_names(second, "seed: -1 ", " 0")


def test_a_file_from_windows_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write(tmp_path, b"\xef\xbb\xbf" + small_pipeline().toml().encode())
    assert Pipeline.load(path) == small_pipeline()


def test_a_file_name_that_would_need_quotes_gives_a_name_that_does_not(tmp_path: Path) -> None:
    path = tmp_path / "my run (2).toml"
    table = small_pipeline().toml().replace('name = "small"\n', "")
    path.write_text(table)
    assert Pipeline.load(path).name == "my-run-2"


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "a" * 101, "é"])
def test_names_are_plain(name: str) -> None:
    assert_names(message(name=name), f"name: {name!r} ", "100", "letters, digits, '_', '.' and '-'")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": True}, ["seed: True ", "whole number"]),
        ({"seed": "1"}, ["seed: '1' ", "whole number"]),
        (
            {"objective": {"type": "feature", "layers": [True, 1]}},
            ["objective.layers: [True, 1] ", "whole number"],
        ),
        ({"objective": {"type": 3}}, ["objective: 'type' ", "3", "quotes"]),
        (
            {"evaluate": [{"type": "retrain", "protocol": [1]}]},
            ["evaluate.0.protocol: ", "[1]", *PROTOCOLS],
        ),
        ({"seed": 1.5}, ["seed: 1.5 ", "whole number"]),
        ({"name": 3}, ["name: 3 ", "text", "quotes"]),
        ({"objective": {"type": "gradient", "bias": 1}}, ["objective.bias: 1 ", "true or false"]),
        ({"optimizer": {"learning_rate": "fast"}}, ["optimizer.learning_rate: 'fast' ", "number"]),
        (
            {"evaluate": {"type": "retrain"}},
            ["evaluate: {'type': 'retrain'} ", "list", "[[name]]", "name=[{type=...}]", "--set"],
        ),
        ({"compile": "maybe"}, ["compile: 'maybe' ", "true", "false", "'auto'"]),
        (
            {"evaluate": [{"type": "retrain", "epochs": "lots"}]},
            ["evaluate.0.epochs: 'lots' ", "whole number", "'by-images'"],
        ),
    ],
)
def test_values_of_another_kind_are_refused_in_words_of_the_file(
    changes: dict[str, Any], problem: list[str]
) -> None:
    assert_names(message(**changes), *problem)


def test_whole_numbers_do_for_numbers() -> None:
    assert small_pipeline(optimizer__learning_rate=1).optimizer.learning_rate == 1.0


def test_baselines_change_nothing_but_the_codes() -> None:
    pipeline = small_pipeline(baseline__0__draws=2)
    first, second = pipeline.baselines()
    assert (first.method, first.seed, first.iterations, first.baseline) == ("random", 0, 0, ())
    assert second.seed == 1
    assert first.init.type == "random"
    assert first.decoder.type == "raw"
    assert first.evaluate == pipeline.evaluate


def test_a_pipeline_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        small_pipeline().seed = 3


def test_stages_within_stages_of_their_kind_fit_the_schema(schema: Any) -> None:
    feature = {"type": "feature"}
    inner = {
        "type": "sum",
        "terms": [{"objective": feature}, {"weight": 2.0, "objective": {"type": "gradient"}}],
    }
    objective = {"type": "sum", "steps": "in-turn", "terms": [{"objective": inner}, {"objective": feature}]}
    table = {**TABLE, "objective": objective}
    schema.validate(table)
    pipeline = Pipeline.parse(table)
    schema.validate(pipeline.table())
    assert Pipeline.parse(tomllib.loads(pipeline.toml())) == pipeline
    for broken in ({**inner, "steps": "backwards"}, {"type": "sum", "terms": [{"objective": {"type": "x"}}]}):
        assert not schema.is_valid({**TABLE, "objective": {**objective, "terms": [{"objective": broken}]}})
