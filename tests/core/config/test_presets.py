"""Pipelines that come with idc."""

from importlib import import_module
from pathlib import Path

import pytest

from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from idc.config.presets import FOLDER, arithmetic, file_or_preset, names, preset
from idc.errors import InputError
from idc.stages.networks.between import Between
from messages import assert_names
from repository import PIPELINES, ROOT


def test_presets_are_the_repository_s_pipelines() -> None:
    assert names() == sorted(path.stem for path in PIPELINES.glob("*.toml"))
    assert FOLDER.resolve() == PIPELINES.resolve()


def test_a_preset_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Pipeline.load("digits") == Pipeline.load(PIPELINES / "digits.toml")
    assert Pipeline.load("digits.toml", {"seed": 3}).seed == 3
    # A folder of that name, such as a dataset's, is no pipeline.
    Path("digits").mkdir()
    assert Pipeline.load("digits").name == "digits"
    Path("digits.toml").write_text('extends = "digits-dance"\nseed = 9')
    assert (Pipeline.load("digits.toml").seed, Pipeline.load("digits").seed) == (9, 0)


def test_a_file_extends_presets(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = ["base/cifar10", "base/idc.toml"]\nseed = 2')
    assert read_table(mine) == read_table(PIPELINES / "base/cifar10.toml") | read_table(
        PIPELINES / "base/idc.toml"
    ) | {"seed": 2}


def test_a_folder_of_that_name_is_no_preset(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "digits"')
    assert Pipeline.load(mine, {"name": "digits"}) == Pipeline.load("digits")


def test_names_do_not_lead_out_of_the_folder() -> None:
    assert preset("../pyproject") is None
    assert preset("base/../digits") is None
    assert file_or_preset(Path("/digits")) == Path("/digits")


def test_what_else_could_be_meant(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        Pipeline.load(tmp_path / "pipelines/digits.toml")
    assert_names(str(refused.value), "no such file", "a preset has that name: digits")
    with pytest.raises(InputError) as refused:
        Pipeline.load("cifar10-ipc10-fats")
    assert_names(str(refused.value), "did you mean 'cifar10-ipc10-fast'")
    mine = tmp_path / "mine.toml"
    mine.write_text('extends = "digit"')
    with pytest.raises(InputError) as refused:
        Pipeline.load(mine)
    assert_names(str(refused.value), "extends 'digit'", "did you mean 'digits'")


def test_arithmetic_is_known_of_all_presets_with_a_known_number_of_images() -> None:
    without = {
        name for name in names() if read_table(FOLDER / f"{name}.toml")["dataset"]["type"] == "image-folder"
    }
    assert arithmetic().keys() == set(names()) - without


def test_arithmetic_is_what_the_benchmark_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    operations = import_module("preset_arithmetic").operations
    for name in ("digits", "fashion-mnist-ipc1-idc"):
        assert float(f"{operations(name):.3g}") == arithmetic()[name]


@pytest.mark.parametrize("name", [name for name in names() if "-fast" in name and "imagenet" not in name])
def test_the_recipe_is_scored_by_the_network_that_the_set_is_for(name: str) -> None:
    pipeline = Pipeline.load(Path(name))
    assert pipeline.model.label() == "convnet (width=64)"
    assert isinstance(pipeline.networks, Between)
    pool = pipeline.networks.pool
    expected = (10, (0, 0.5)) if pipeline.images_per_class < 10 else (5, (0, 2))
    assert (pool.networks, pool.epochs) == expected
    for evaluator in pipeline.evaluate:
        assert [each.label() for each in evaluator.candidates(pipeline.model)] == ["convnet"]
