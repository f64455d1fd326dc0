"""Stages are found through entry points: lazily, and refused with the reason."""

import sys
from pathlib import Path

import pytest

from distributions import install
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from idc.kinds import KINDS, Objective, registry
from messages import assert_names
from small import TABLE

OBJECTIVES = "attention, characteristic, cross-entropy, feature, gradient, logit, mmd, moments, sum"
GROUP = "idc.objectives"

SOURCE = """
from typing import Literal
from idc.kinds import Objective

class Mean(Objective):
    type: Literal["mean"] = "mean"

    def distance(self, net, real, syn):
        return ((real.images.mean(0) - syn.images.mean(0)) ** 2).sum()
"""


def message(objective: dict[str, object]) -> str:
    with pytest.raises(InputError) as error:
        Pipeline.parse({**TABLE, "objective": objective})
    return str(error.value)


def test_every_kind_has_its_stages() -> None:
    types = {name: registry.names(kind.group) for name, kind in KINDS.items()}
    assert types == {
        "dataset": [
            "cifar10",
            "cifar100",
            "digits",
            "domains",
            "fashion-mnist",
            "hugging-face",
            "image-folder",
            "imagenet",
            "mnist",
            "speech-commands",
            "svhn",
            "tensors",
            "tiny-imagenet",
            "usps",
        ],
        "model": [
            *("alexnet", "convnet", "dc-resnet", "densenet", "efficientnet", "lenet", "mlp"),
            *("resnet", "resnet-ap", "torchvision", "vgg11"),
        ],
        "init": ["herding", "k-center", "k-means", "mix", "noise", "random"],
        "decoder": ["ddif", "flip", "fred", "gsdd", "mirror", "multiformation", "raw"],
        "augment": ["dsa", "imagenet", "kornia"],
        "sampler": ["epoch", "k-means"],
        "objective": OBJECTIVES.split(", "),
        "networks": ["between", "frozen", "real", "synthetic"],
        "optimizer": ["adam", "adamw", "sgd"],
        "labels": ["hard", "teacher"],
        "evaluate": [
            "architecture-search",
            "class-incremental",
            "dd-ranking",
            "domain-incremental",
            "retrain",
        ],
    }


def test_an_installed_stage_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "third-party", {GROUP: {"mean": "third_party_mean:Mean"}}, third_party_mean=SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    pipeline = Pipeline.parse({**TABLE, "objective": {"type": "mean"}})
    assert type(pipeline.objective).__name__ == "Mean"
    (found,) = (each for each in registry.installed(GROUP) if each.type == "mean")
    assert found == (GROUP, "mean", "third-party", "1.0", "third_party_mean:Mean")


def test_an_unknown_type_suggests_the_nearest() -> None:
    assert_names(message({"type": "gradent"}), "objective: ", "'gradent'", "'gradient'?", OBJECTIVES)


def test_an_unknown_type_like_no_other_lists_them() -> None:
    said = message({"type": "zzz"})
    assert_names(said, "objective: ", "'zzz'", OBJECTIVES)
    assert "?" not in said


def test_a_missing_type_lists_them() -> None:
    assert_names(message({}), "objective: 'type' ", "missing", OBJECTIVES)


def test_a_plugin_that_cannot_be_imported_is_named_and_chained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "broken", {GROUP: {"broken": "broken_module:Thing"}}, broken_module="import nonesuch")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as error:
        Pipeline.parse({**TABLE, "objective": {"type": "broken"}})
    parts = ("objective: type 'broken' ", "broken ", "broken_module:Thing", "No module named 'nonesuch'")
    assert_names(str(error.value), *parts, "reinstall")
    assert isinstance(error.value.__cause__, ModuleNotFoundError)


def test_a_broken_plugin_that_nobody_names_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "broken", {GROUP: {"broken": "broken_module:Thing"}}, broken_module="import nonesuch")
    monkeypatch.syspath_prepend(tmp_path)
    assert "broken" in registry.names(GROUP)
    assert "broken_module" not in sys.modules
    assert Pipeline.parse(TABLE).objective.type == "gradient"
    assert "gradient" in str(Pipeline.model_json_schema())


def test_a_class_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "mixed-up", {GROUP: {"wrong": "idc.stages.decoders.raw:Raw"}})
    monkeypatch.syspath_prepend(tmp_path)
    parts = ("objective: type 'wrong' ", "mixed-up", "idc.stages.decoders.raw:Raw", "idc.kinds.Objective")
    assert_names(message({"type": "wrong"}), *parts)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (SOURCE.replace("def distance", "def other"), "distance"),
        (SOURCE.replace('"mean"', '"average"'), 'type: Literal["mean"] = "mean"'),
        ("Mean = 3", "idc.kinds.Objective"),
    ],
)
def test_a_class_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, problem: str
) -> None:
    module = f"unfit_{abs(hash(problem))}"
    install(tmp_path, "unfit", {GROUP: {"mean": f"{module}:Mean"}}, **{module: source})
    monkeypatch.syspath_prepend(tmp_path)
    assert_names(message({"type": "mean"}), "objective: type 'mean' ", "unfit", f"{module}:Mean", problem)


def test_one_name_from_two_distributions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "rival", {GROUP: {"gradient": "rival_module:Thing"}})
    monkeypatch.syspath_prepend(tmp_path)
    said = message({"type": "gradient"})
    ours = "idc.stages.objectives.gradient:Gradient"
    assert_names(
        said, "objective: type 'gradient' ", "rival", "rival_module:Thing", "idc-core", ours, "uninstall"
    )


def test_an_instance_needs_no_registration() -> None:
    class Local(Objective):
        type: str = "local"

        def distance(self, net: object, real: object, syn: object) -> object:  # pyright: ignore
            return None

    pipeline = Pipeline.parse({**TABLE, "objective": Local()})
    assert isinstance(pipeline.objective, Local)
