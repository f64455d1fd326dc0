"""Tables whose kind has a default type may leave it out, and settings find it."""

from pathlib import Path

import pytest

from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from small import TABLE

TYPELESS = """
images_per_class = 1
iterations = 1
dataset.type = "digits"
model.type = "convnet"
init.type = "mix"
decoder.type = "raw"
objective.type = "gradient"
networks.type = "real"

[optimizer]
learning_rate = 0.1
step = "joint"

[[evaluate]]
best = true
runs = 2
"""


def load(folder: Path, **settings: object) -> Pipeline:
    (folder / "typeless.toml").write_text(TYPELESS)
    return Pipeline.load(
        folder / "typeless.toml", {key.replace("__", "."): each for key, each in settings.items()}
    )


def test_default_types_are_written_out(tmp_path: Path) -> None:
    table = load(tmp_path).table()
    assert table["optimizer"]["type"] == "sgd"
    assert table["sampler"]["type"] == "epoch"
    assert table["evaluate"][0]["type"] == "retrain"


def test_naming_the_default_type_changes_nothing(tmp_path: Path) -> None:
    named = load(tmp_path, optimizer__type="sgd", evaluate__0__type="retrain", sampler__type="epoch")
    assert named == load(tmp_path)


def test_another_protocol_keeps_what_none_fixes(tmp_path: Path) -> None:
    evaluate = load(tmp_path, evaluate__0__protocol="dc-2021").table()["evaluate"][0]
    assert (evaluate["best"], evaluate["runs"], evaluate["epochs"]) == (True, 2, 301)


def test_another_type_empties_the_table(tmp_path: Path) -> None:
    settings = {"optimizer__type": "adam", "optimizer__learning_rate": 0.01}
    assert "momentum" not in load(tmp_path, **settings).table()["optimizer"]


def test_an_extending_file_may_choose_another_optimizer_over_every_base(tmp_path: Path) -> None:
    base = Path(__file__).parents[3] / "pipelines" / "base"
    for name in ("dc", "dm", "idc"):
        file = tmp_path / f"{name}.toml"
        file.write_text(
            f"extends = ['{base / name}.toml']\nimages_per_class = 1\ndataset.type = 'digits'\n"
            "model.type = 'convnet'\noptimizer = { type = 'adam', learning_rate = 0.01 }\n"
        )
        assert Pipeline.load(file).optimizer.type == "adam"


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("[optimizer]\nlearning_rate = 0.1\nmomentum = 0.9\n", "optimizer.type = 'adam'"),
        ("[sampler]\nmax_synthetic = 8\n", "sampler.type = 'k-means'"),
    ],
)
def test_an_extending_file_may_choose_another_type_over_a_table_without_one(
    below: str, above: str, tmp_path: Path
) -> None:
    (tmp_path / "base.toml").write_text(below)
    (tmp_path / "leaf.toml").write_text(f"extends = 'base.toml'\n{above}")
    kind, name = above.split(".")[0], above.split("'")[1]
    assert read_table(tmp_path / "leaf.toml") == {kind: {"type": name}}


def test_an_extending_file_without_a_type_keeps_that_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[optimizer]\ntype = 'adam'\nlearning_rate = 0.1\n")
    (tmp_path / "rate.toml").write_text("optimizer.learning_rate = 0.2\n")
    (tmp_path / "leaf.toml").write_text("extends = ['base.toml', 'rate.toml']\n")
    assert read_table(tmp_path / "leaf.toml") == {"optimizer": {"type": "adam", "learning_rate": 0.2}}


def test_naming_the_default_type_keeps_the_fields_below(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("[optimizer]\nlearning_rate = 0.1\n")
    (tmp_path / "leaf.toml").write_text("extends = 'base.toml'\noptimizer.type = 'sgd'\n")
    assert read_table(tmp_path / "leaf.toml") == {"optimizer": {"type": "sgd", "learning_rate": 0.1}}


def test_the_schema_takes_tables_without_their_default_types() -> None:
    import jsonschema

    table = {**TABLE, "evaluate": [{"epochs": 3}], "sampler": {"batch_size": 8}}
    jsonschema.validate(table, Pipeline.model_json_schema())
