"""pipeline.toml: validation, messages, overrides, round trips."""

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from repository import PIPELINES
from small import TABLE, small_pipeline


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
    assert table["optimizer"] == {"learning_rate": 0.01, "momentum": 0.5, "step": "class"}
    assert table["evaluate"][0]["training"]["augment"][0]["strategy"] == "color_crop_flip_scale_rotate"


def test_the_sampler_may_be_left_out() -> None:
    table = {key: value for key, value in TABLE.items() if key != "sampler"}
    assert Pipeline.parse(table).sampler.type == "epoch"


@pytest.mark.parametrize("path", sorted(PIPELINES.glob("*.toml")), ids=lambda path: path.stem)
def test_pipeline_files_are_valid_and_fit_the_schema(path: Path) -> None:
    assert Pipeline.load(path).name == path.stem
    schema = Pipeline.model_json_schema()
    jsonschema.validate(read_table(path), schema)
    resolved = Pipeline.load(path).table()
    jsonschema.validate(resolved, schema)


def test_the_schema_knows_files_that_extend_others() -> None:
    schema = Pipeline.model_json_schema()
    text = (PIPELINES / "cifar10-ipc10-idc.toml").read_text()
    table = tomllib.loads(text)
    jsonschema.validate(table, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({key: table[key] for key in table if key != "extends"}, schema)


def test_the_schema_refuses_what_the_pipeline_refuses() -> None:
    schema = Pipeline.model_json_schema()
    for key, value in (("objective", {"metric": "mse"}), ("images_per_class", 0), ("unknown", 1)):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**TABLE, key: value}, schema)


def test_an_unknown_key_of_a_stage_lists_the_fields() -> None:
    assert message(objective={"type": "gradient", "metrc": "l2"}) == (
        "objective.metrc: not a field of 'gradient'; did you mean 'metric'? (fields: metric, bias, fc)"
    )


def test_an_unknown_key_in_a_list_of_stages_has_its_position() -> None:
    assert message(augment=[{"type": "dsa"}, {"type": "kornia", "name": "RandomInvert", "p": 1}]) == (
        "augment.1.p: not a field of 'kornia' (fields: name, arguments)"
    )


def test_an_unknown_table_lists_the_fields() -> None:
    assert message(decodr={"type": "raw"}) == (
        "decodr: not a field of the pipeline table; did you mean 'decoder'? (fields: name, method, seed, "
        "images_per_class, iterations, inner_steps, precision, compile, dataset, model, init, decoder, "
        "augment, sampler, objective, networks, optimizer, baseline, evaluate, snapshot_every, published)"
    )


def test_several_problems_are_several_lines() -> None:
    assert message(images_per_class=0, objective={"type": "gradient", "metric": "l2"}) == (
        "images_per_class: 0 is not allowed; it must be greater than or equal to 1\n"
        "objective.metric: 'l2' is not allowed; it must be 'mse', 'l1', 'l1_mean' or 'cos'"
    )


def test_a_missing_stage_says_what_to_add() -> None:
    table = {key: value for key, value in TABLE.items() if key not in ("networks", "optimizer")}
    with pytest.raises(InputError) as error:
        Pipeline.parse(table)
    assert str(error.value) == (
        "networks: missing; add a table [networks] with a type (installed: frozen, real, "
        "synthetic)\n"
        "optimizer: missing; add a table [optimizer] with a learning_rate"
    )


def test_a_missing_value_is_named() -> None:
    assert message(optimizer={}) == "optimizer.learning_rate: missing"


def test_a_value_where_a_table_belongs() -> None:
    assert message(objective="gradient") == (
        "objective: 'gradient' is not a table; write [objective] and its keys below it"
    )


def test_names_of_synsets_must_differ() -> None:
    assert message(method="random") == "method and baseline names must differ, got random, random"


def test_an_unknown_protocol_lists_the_known() -> None:
    assert message(evaluate=[{"type": "retrain", "protocol": "idc-2021"}]) == (
        "evaluate.0.protocol: unknown protocol 'idc-2021' (known: idc-2022, idc-2022-imagenet, "
        "idc-2022-imagenet-100, dc-2021, dsa-2021, dm-2023)"
    )


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
    assert load_message(path) == f"{path}: not valid TOML: Invalid value (at line 2, column 8)"


def test_an_invalid_file_is_named_with_its_problems(tmp_path: Path) -> None:
    path = write(tmp_path, small_pipeline().toml().replace('"gradient"', '"gradent"'))
    assert load_message(path) == (
        f"{path}: not a valid pipeline\n"
        "objective: unknown type 'gradent'; did you mean 'gradient'? (installed: feature, gradient, logit)"
    )


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    assert load_message(absent) == f"{absent}: no such file; give the path of a pipeline file (.toml)"
    assert load_message(tmp_path) == (f"{tmp_path}: a folder; give a pipeline file (.toml) in it")
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
    assert str(error.value) == (
        f"{path} as changed by the settings: not a valid pipeline\n"
        "seed: -1 is not allowed; it must be greater than or equal to 0"
    )


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
    assert message(name=name) == (
        f"name: {name!r} is not allowed; it must be letters, digits, '_', '.' and '-', begin with a letter "
        "or digit, and have at most 100 characters"
    )


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"seed": True}, "seed: True is not allowed; it must be a whole number"),
        ({"seed": "1"}, "seed: '1' is not allowed; it must be a whole number"),
        (
            {"objective": {"type": "feature", "layers": [True, 1]}},
            "objective.layers: [True, 1] is not allowed; it must be a whole number",
        ),
        ({"objective": {"type": 3}}, "objective: 'type' is 3, not a name in quotes"),
        (
            {"evaluate": [{"type": "retrain", "protocol": [1]}]},
            "evaluate.0.protocol: unknown protocol [1] (known: idc-2022, idc-2022-imagenet, "
            "idc-2022-imagenet-100, dc-2021, dsa-2021, dm-2023)",
        ),
        ({"seed": 1.5}, "seed: 1.5 is not allowed; it must be a whole number"),
        ({"name": 3}, "name: 3 is not allowed; it must be text in quotes"),
        (
            {"objective": {"type": "gradient", "bias": 1}},
            "objective.bias: 1 is not allowed; it must be true or false",
        ),
        (
            {"optimizer": {"learning_rate": "fast"}},
            "optimizer.learning_rate: 'fast' is not allowed; it must be a number",
        ),
        (
            {"evaluate": {"type": "retrain"}},
            "evaluate: {'type': 'retrain'} is not allowed; it must be a list; of tables it is [[name]] in a "
            "file, and name=[{type=...}] with --set",
        ),
        ({"compile": "maybe"}, "compile: 'maybe' is not allowed; it must be true or false or 'auto'"),
        (
            {"evaluate": [{"type": "retrain", "epochs": "lots"}]},
            "evaluate.0.epochs: 'lots' is not allowed; it must be a whole number or 'by-images'",
        ),
    ],
)
def test_values_of_another_kind_are_refused_in_words_of_the_file(
    changes: dict[str, Any], problem: str
) -> None:
    assert message(**changes) == problem


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
