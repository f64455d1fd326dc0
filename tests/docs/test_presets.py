"""The presets say what the public code's settings are (golden schedules.json)."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from golden_cases import GOLDEN
from idc.config.groups import known_by_class
from idc.config.pipeline import Pipeline
from idc.spec import ImageSpec
from idc.stages.evaluators.architecture_search import ArchitectureSearch
from idc.stages.evaluators.incremental import Incremental
from repository import PIPELINES

PRESETS = sorted(path for path in PIPELINES.glob("*-ipc*.toml"))
INCREMENTAL = [
    *PIPELINES.glob("cifar100-ipc20-class-incremental-*.toml"),
    *PIPELINES.glob("svhn-mnist-usps-*.toml"),
]
SCHEDULES = json.loads((GOLDEN / "schedules.json").read_text())
IDC = [
    (case["dataset"], case["nclass"], {**case["common"], **row})
    for case in SCHEDULES["idc_settings"]
    if case["preset"] == "reproduce"
    for row in case["rows"]
]


def preset(name: str) -> dict[str, Any]:
    return Pipeline.load(PIPELINES / f"{name}.toml").table()


# Those named fast reproduce no published number, and those of applications other scores.
@pytest.mark.parametrize(
    "path",
    [path for path in PRESETS if not path.stem.endswith(("-fast", "-search")) and path not in INCREMENTAL],
    ids=lambda path: path.stem,
)
def test_a_preset_says_which_number_it_reproduces_and_where_it_is_from(path: Path) -> None:
    dataset, per_class, method = re.fullmatch(r"(.+)-ipc(\d+)-(.+)", path.stem).groups()  # pyright: ignore[reportOptionalMemberAccess]
    first = path.read_text().splitlines()[0]
    assert re.fullmatch(r"# .+, \d+ images? per class, [A-Z-]+\.", first), first
    pipeline = Pipeline.load(path)
    assert (pipeline.method, pipeline.images_per_class) == (method, int(per_class))
    assert f", {per_class} image" in first
    assert f" {method.upper()}." in first
    synsets = [each.synset for each in pipeline.published]
    # Of some settings no number is known, or only one for more than the preset does.
    assert synsets[:1] in ([], [method], [f"{method}-headline"], [f"{method}-mtt"])
    assert len(set(synsets)) == len(synsets)
    assert all(each.source for each in pipeline.published)
    expected = "imagenet" if dataset.startswith("imagenet") else dataset
    assert pipeline.dataset.type == expected


def named(dataset: str, classes: int, settings: dict[str, Any]) -> str:
    names = {"fashion": "fashion-mnist", "imagenet": f"imagenet-{classes}", "speech": "speech-commands"}
    name = names.get(dataset, dataset)
    return f"{name}-ipc{settings['ipc']}-{'idc-i' if settings['factor'] == 1 else 'idc'}"


def wanted(dataset: str, classes: int, settings: dict[str, Any]) -> bool:
    factor = 3 if dataset == "imagenet" else 2
    path = PIPELINES / f"{named(dataset, classes, settings)}.toml"
    return settings["factor"] in (1, factor) and path.exists()


@pytest.mark.parametrize(
    ("dataset", "classes", "settings"),
    [each for each in IDC if wanted(*each)],
    ids=lambda value: str(value) if isinstance(value, str | int) else named("", 0, value),
)
def test_idcs_presets_are_its_published_settings(
    dataset: str, classes: int, settings: dict[str, Any]
) -> None:
    table = preset(named(dataset, classes, settings))
    assert table["iterations"] == settings["niter"] * 100 // settings["inner_loop"]
    assert table["inner_steps"] == settings["inner_loop"]
    assert table["init"]["type"] == settings["init"]
    assert table["decoder"].get("factor", 1) == settings["factor"]
    assert table["decoder"].get("mode", "single") == settings["decode_type"]
    assert table["decoder"].get("evaluate", "single") == "single"
    assert table["objective"]["metric"] == settings["metric"]
    assert (table["objective"]["bias"], table["objective"]["fc"]) == (settings["bias"], settings["fc"])
    assert table["sampler"]["batch_size"] == settings["batch_real"]
    assert table["sampler"]["max_synthetic"] == settings["batch_syn_max"]
    assert table["optimizer"]["learning_rate"] == pytest.approx(settings["lr_img"], rel=1e-9)
    assert (table["optimizer"]["momentum"], table["optimizer"]["step"]) == (settings["mom_img"], "class")
    strategies = [] if settings["aug_type"] == "none" else [settings["aug_type"]]
    assert [each["strategy"] for each in table["augment"]] == strategies
    lr = settings["lr"]
    # For speech, the code trains its networks at a rate of its own, which no setting says.
    settings = {**settings, "lr": 3e-4} if dataset == "speech" else settings
    _check_model(table["model"], settings)
    _check_networks(table["networks"], settings)
    _check_evaluation(table["evaluate"][0], {**settings, "lr": lr}, dataset)


def _check_model(model: dict[str, Any], settings: dict[str, Any]) -> None:
    assert model["type"] == settings["net_type"].replace("_", "-")
    assert (model["depth"], model["norm"]) == (settings["depth"], settings["norm_type"])


def _check_networks(networks: dict[str, Any], settings: dict[str, Any]) -> None:
    training = networks["training"]
    assert networks["images"] == settings["n_data"]
    assert networks["warmup_epochs"] == settings["early"]
    assert training["cutmix"] == (settings["mix_p"] if settings["mixup_net"] == "cut" else 0)
    assert training["batch_size"] == settings["batch_size"]
    assert (training["learning_rate"], training["weight_decay"]) == (settings["lr"], settings["weight_decay"])
    # Cutout is left to CutMix where there is CutMix.
    strategy = settings["aug_type"]
    strategy = strategy.replace("_cutout", "") if settings["mixup_net"] == "cut" else strategy
    strategies = [] if strategy == "none" else [strategy]
    assert [each["strategy"] for each in training["augment"]] == strategies


def _check_evaluation(evaluate: dict[str, Any], settings: dict[str, Any], dataset: str) -> None:
    training = evaluate["training"]
    assert evaluate["epochs"] == ("by-images" if dataset == "imagenet" else settings["epochs"])
    assert training["cutmix"] == (settings["mix_p"] if settings["mixup"] == "cut" else 0)
    assert training["batch_size"] == settings["batch_size"]
    assert (training["learning_rate"], training["weight_decay"]) == (settings["lr"], settings["weight_decay"])
    match dataset:
        case "imagenet":
            assert [each["type"] for each in training["augment"]] == ["imagenet"]
        case "speech":
            assert training["augment"] == []
        case _:
            assert [each["strategy"] for each in training["augment"]] == [settings["dsa_strategy"]]


def test_every_published_setting_has_its_preset() -> None:
    names = {named(*each) for each in IDC if wanted(*each)}
    others = [path for path in PRESETS if path not in INCREMENTAL]
    assert names == {path.stem for path in others if path.stem.endswith(("-idc", "-idc-i"))}


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in PRESETS
        if path.stem.endswith(("dc", "dsa"))
        and "idc" not in path.stem
        # Normalised by its own statistics.
        and not path.stem.startswith("svhn-mnist-usps")
    ],
    ids=lambda path: path.stem,
)
def test_dcs_presets_are_its_published_settings(path: Path) -> None:
    table = preset(path.stem)
    (loops,) = (case for case in SCHEDULES["dc_loops"] if case["ipc"] == table["images_per_class"])
    assert (table["iterations"], table["inner_steps"]) == (1000, loops["outer_loop"])
    assert table["optimizer"]["step"] == "joint"
    assert (table["objective"]["metric"], table["objective"]["fc"], table["objective"]["bias"]) == (
        "cos",
        True,
        False,
    )
    assert "epochs" not in table["networks"]
    training = table["networks"]["training"]
    assert (training["learning_rate"], training["momentum"], training["batch_size"]) == (0.01, 0.0, 256)
    variance = sum(std**2 for std in table["dataset"]["std"]) / len(table["dataset"]["std"])
    assert table["optimizer"]["learning_rate"] == pytest.approx(0.1 * variance, rel=1e-3)
    flips = ["flip" in each["strategy"] for each in [*table["augment"], *training["augment"]]]
    assert all(flip is not path.stem.startswith(("mnist", "svhn")) for flip in flips)
    assert bool(flips) is path.stem.endswith("dsa")


@pytest.mark.parametrize(
    "path", [path for path in PRESETS if path.stem.endswith("-dm")], ids=lambda path: path.stem
)
def test_dms_presets_are_its_published_settings(path: Path) -> None:
    table = preset(path.stem)
    assert (table["iterations"], table["inner_steps"]) == (20_000, 1)
    assert table["networks"] == {"type": "frozen"}
    assert (table["objective"]["type"], table["objective"]["layers"]) == ("feature", [-1])
    assert table["sampler"]["batch_size"] == 256
    variance = sum(std**2 for std in table["dataset"]["std"]) / len(table["dataset"]["std"])
    assert table["optimizer"]["learning_rate"] == pytest.approx(variance, rel=1e-3)


def test_imagenet_100_starts_from_networks_trained_like_those_that_are_matched() -> None:
    networks = preset("imagenet-100-ipc10-idc")["networks"]
    pool = networks["pool"]
    assert (pool["networks"], pool["epochs"], pool["milestones"]) == (10, [5.0], [])
    assert pool["training"] == networks["training"]


@pytest.mark.parametrize("path", INCREMENTAL, ids=lambda path: path.stem)
def test_a_memory_is_condensed_step_by_step(path: Path) -> None:
    pipeline = Pipeline.load(path)
    assert pipeline.groups is not None
    steps = [each for each in pipeline.evaluate if isinstance(each, Incremental)]
    assert steps, "not scored as a memory"
    domains = path.stem.startswith("svhn")
    count = 30 if domains else 100
    classes = tuple(map(str, range(count)))
    spec = ImageSpec(channels=3, height=32, width=32, classes=classes, mean=(0.5,) * 3, std=(0.5,) * 3)
    for evaluator in steps:
        assert evaluator.steps == (3 if domains else 10 if path.stem.endswith("10-steps") else 5)
        assert evaluator.classes_of(spec) == pipeline.groups.labels(spec)
        evaluator.refuse_knowledge(known_by_class(pipeline.groups, spec), spec)
    if not domains:
        assert (pipeline.dataset.class_order, pipeline.images_per_class) == (0, 20)
        assert [each.name for each in pipeline.baseline] == ["random", "herding"]


def test_dcs_search_is_over_its_720_networks() -> None:
    pipeline = Pipeline.load(PIPELINES / "cifar10-ipc10-architecture-search.toml")
    (search,) = pipeline.evaluate
    assert isinstance(search, ArchitectureSearch)
    labels = {each.label() for each in search.candidates(pipeline.model)}
    assert len(labels) == 720
    assert pipeline.images_per_class == 10
    # As many batches as in 100 epochs of the 400 decoded images.
    images = 10 * 10 * 4
    assert search.early_steps == search.epochs * -(-images // search.training.batch_size)
