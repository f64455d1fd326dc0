"""The presets of methods beyond the seeds say what the public codes' settings are (golden presets.json)."""

import json
from typing import Any

import pytest

from golden_cases import GOLDEN
from idc.config.extends import read_table
from repository import PIPELINES

ROWS: dict[str, list[dict[str, Any]]] = json.loads((GOLDEN / "presets.json").read_text())
NAMES = {
    "fashion": "fashion-mnist",
    "tinyimagenet": "tiny-imagenet",
    "imagenet10": "imagenet-10",
    "CIFAR10": "cifar10",
    "CIFAR100": "cifar100",
    "TinyImageNet": "tiny-imagenet",
    **{f"image{name}": f"imagenet-{name}" for name in ("nette", "woof", "fruit", "meow", "squawk", "yellow")},
}


def named(row: dict[str, Any], method: str) -> str:
    dataset = NAMES.get(row["dataset"], row["dataset"])
    return f"{'imagenet-nette' if dataset == 'ImageNet' else dataset}-ipc{row['ipc']}-{method}"


def has_preset(row: dict[str, Any]) -> bool:
    """Not IDM's ImageNet-100, nor ImageNet's subsets with 50 images per class or at 256 pixels."""
    of_subsets = row["dataset"] in ("ImageNet", "imagenette")
    return row["dataset"] != "imagenet_subset" and not (
        of_subsets and (row["ipc"] == 50 or row.get("size") == 256)
    )


def cases(method: str) -> list[Any]:
    rows = filter(has_preset, ROWS[method.replace("-", "_")])
    names = {named(row, method): row for row in rows}
    return [pytest.param(read_table(PIPELINES / f"{name}.toml"), row, id=name) for name, row in names.items()]


def strategies(augment: list[dict[str, Any]]) -> list[str]:
    return [each["strategy"] for each in augment]


def check_model(table: dict[str, Any], row: dict[str, Any]) -> None:
    model = table["model"]
    assert model["type"] == row.get("net_type", "convnet").replace("_", "-")
    assert model.get("depth", 3) == row["depth"]


@pytest.mark.parametrize(("table", "row"), cases("dance"))
def test_dances_presets_are_its_settings(table: dict[str, Any], row: dict[str, Any]) -> None:
    check_model(table, row)
    pool, optimizer = table["networks"]["pool"], table["optimizer"]
    assert (table["iterations"], table["inner_steps"]) == (row["niter"], row["iter_calib"])
    assert (table["init"]["type"], table["decoder"]["factor"]) == (row["init"], row["factor"])
    assert (table["sampler"]["batch_size"], table["sampler"]["max_synthetic"]) == (128, row["batch_syn_max"])
    assert (optimizer["type"], optimizer["learning_rate"]) == ("sgd", row["lr_img"])
    assert strategies(table["augment"]) == [row["aug_type"]]
    assert pool["networks"] == row["num_premodel"]
    assert pool["epochs"] == [0, row.get("pretrain_epochs", 80)]
    assert pool["training"]["cutmix"] == row["mix_p"]
    overrides = table["evaluate"][0].get("training", {}).get("augment", [])
    assert strategies(overrides) == ([] if "flip" in row["dsa_strategy"] else [row["dsa_strategy"]])
    by_images = row["dataset"].startswith("image") and row["net_type"] == "convnet"
    assert table["evaluate"][0].get("epochs") == ("by-images" if by_images else None)


@pytest.mark.parametrize(("table", "row"), cases("ncfm"))
def test_ncfms_presets_are_its_settings(table: dict[str, Any], row: dict[str, Any]) -> None:
    check_model(table, row)
    pool, optimizer = table["networks"]["pool"], table["optimizer"]
    match, calibration = table["objective"]["terms"]
    assert (table["iterations"], table["decoder"]["factor"]) == (row["niter"], row["factor"])
    assert table["sampler"]["batch_size"] == row["batch_real"]
    assert (optimizer["type"], optimizer["learning_rate"]) == (row["optimizer"], row["lr_img_used"])
    assert optimizer.get("weight_decay", 0) == (5e-4 if row["optimizer"] == "adamw" else 0)
    assert optimizer["step"] == "class"
    assert match["objective"]["frequencies"] == row["num_freqs"]
    assert calibration.get("weight", 1) == row["calib_weight"]
    assert strategies(table["augment"]) == [row["aug_type"]]
    assert (pool["networks"], pool["epochs"]) == (row["num_premodel"], [0, row["pertrain_epochs"]])
    assert (pool["training"]["batch_size"], pool["training"]["cutmix"]) == (row["batch_size"], row["mix_p"])
    assert table["evaluate"][0]["protocol"] == "ncfm-2025"
    assert table["evaluate"][0].get("epochs", 2000) == row["evaluation_epochs"]


@pytest.mark.parametrize(("table", "row"), [*cases("dream"), *cases("model-augmentation")])
def test_those_of_dream_and_model_augmentation_are_idcs_with_their_changes(
    table: dict[str, Any], row: dict[str, Any]
) -> None:
    check_model(table, row)
    assert table["inner_steps"] == row["inner_loop"]
    assert table["decoder"]["factor"] == row["factor"]
    assert table["objective"] == {"type": "gradient", "metric": row["metric"]}
    assert table["networks"]["images"] == row["n_data"]
    assert table["optimizer"]["learning_rate"] == pytest.approx(row["lr_img"], rel=1e-9)
    assert strategies(table["augment"]) == [row["aug_type"]]
    assert table["networks"]["training"]["cutmix"] == (row["mix_p"] if row["mixup_net"] == "cut" else 0)
    if table["method"] == "dream":
        assert table["iterations"] == row["niter"]
        assert table["init"] == {"type": "k-means"}
        sampler = {"type": "k-means", "max_synthetic": row["batch_syn_max"]}
        assert table["sampler"] == {**sampler, "batch_size": row["batch_real"], "interval": row["interval"]}
        return
    pool, imagenet = table["networks"]["pool"], row["dataset"] == "imagenet10"
    # The paper's fifth of IDC's iterations; its code's default is 500.
    assert table["iterations"] == (row["niter"] if imagenet else 400)
    assert pool["epochs"] == ([10] if imagenet else [2])
    assert pool["training"]["cutmix"] == table["networks"]["training"]["cutmix"]
    assert table["networks"]["perturbation"] == {"low": row["vmin"], "high": row["vmax"]}


@pytest.mark.parametrize(("table", "row"), cases("idm"))
def test_idms_presets_are_its_settings(table: dict[str, Any], row: dict[str, Any]) -> None:
    check_model(table, {"depth": 3})
    _, calibration = table["objective"]["terms"]
    pool = table["networks"]["pool"]
    assert (calibration["weight"], calibration["times"]) == (row["ce_weight"], "accuracy")
    assert table["sampler"]["batch_size"] == row.get("batch_real", 256)
    assert strategies(table["augment"]) == [row["dsa_strategy"]]
    std = table["dataset"].get("std", (0.229, 0.224, 0.225))
    variance = sum(each**2 for each in std) / len(std)
    assert table["optimizer"]["learning_rate"] == pytest.approx(row["lr_img"] * variance, rel=1e-3)
    # Each iteration trains 2 of at most 100 networks, and one more joins every few iterations.
    images = 2 * row.get("net_generate_interval", 30) * row.get("model_train_steps", 10) * 256
    oldest = images / (100_000 if row["dataset"] == "TinyImageNet" else 50_000)
    assert pool["epochs"][0] == 0
    assert pool["epochs"][-1] == pytest.approx(oldest, rel=0.03)
    assert pool["training"]["batch_size"] == 256


@pytest.mark.parametrize(("table", "row"), cases("ddif"))
def test_ddifs_presets_are_its_settings(table: dict[str, Any], row: dict[str, Any]) -> None:
    decoder, size = table["decoder"], table["dataset"].get("size", 32)
    assert size == row["size"]
    assert (decoder["hidden_layers"], decoder["width"]) == (row["hidden_layers"], row["hidden_width"])
    assert (decoder["w0_first"], decoder["w0"]) == (row["w0_first"], row["w0"])
    # All of them are matched.
    assert table["sampler"]["max_synthetic"] >= row["images_per_class"]
