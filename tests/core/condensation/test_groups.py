"""Groups of classes are condensed apart, each as if there were no other."""

from pathlib import Path
from typing import Any

import pytest
import torch

from idc.condensation import checkpoint
from idc.condensation.group import Group, InitialCodes
from idc.condensation.loop import Condensation, condense
from idc.condensation.pretraining import Pretraining, seen_by_groups
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.kinds import ImageSpec, Networks
from idc.network.network import Network
from idc.runtime.processes import Processes
from idc.seeding import Streams
from idc.stages.networks.real import Real
from idc.testing import ToyModel, toy_split
from messages import assert_names
from small import small_pipeline

SPEC = ImageSpec(channels=1, height=8, width=10, classes=tuple("abcde"), mean=(0.5,), std=(0.25,))
DATA = RealData(toy_split(12, SPEC), toy_split(4, SPEC, seed=1))
NAMED = [["c", "a"], ["e", "b", "d"]]


def plan_of(groups: dict[str, Any] | None, **settings: Any) -> Pipeline:
    plan = small_pipeline(iterations=2, inner_steps=2, baseline=[], evaluate=[], **settings)
    plan = plan.override({"groups": groups}) if groups else plan
    return plan.model_copy(update={"model": ToyModel()})


def finished(plan: Pipeline, data: RealData = DATA) -> Condensation:
    run = condense(plan, data, device="cpu")
    for _ in run:
        pass
    return run


@pytest.mark.parametrize("classes", [2, NAMED])
def test_a_group_that_sees_itself_is_condensed_as_if_there_were_no_other(classes: Any) -> None:
    plan = plan_of(
        {"classes": classes, "see": "group"},
        optimizer={"type": "adam", "step": "class", "learning_rate": 0.01, "average": 1.0},
    )
    run = finished(plan)
    codes = run.codes()["images"]
    assert len(codes) == 5
    for number, labels in enumerate(run.labels):
        alone = plan.model_copy(update={"groups": None})
        real = DATA.train.of_classes(sorted(labels))
        own = [sorted(labels).index(label) for label in labels]
        streams = Streams(plan.seed, ("group", number))
        group = Group(alone, real, own, InitialCodes(alone), streams, Processes(), 1, lambda: DATA.train)
        assert len(list(group.steps())) == 4
        assert torch.equal(codes[labels], group.result["images"])


def test_a_groups_classes_start_from_their_own_images() -> None:
    settings = {"init": {"type": "random"}, "decoder": {"type": "raw"}, "augment": []}
    for see in ("all", "group", "so-far"):
        run = condense(plan_of({"classes": NAMED, "see": see}, **settings), DATA, device="cpu")
        for label, images in enumerate(run.codes()["images"]):
            members = DATA.train.images(DATA.train.members[label])
            assert all(any(torch.equal(image, member) for member in members) for image in images)


@pytest.mark.parametrize(
    ("see", "seen"),
    [("all", ["abcde"] * 3), ("group", ["ab", "cd", "e"]), ("so-far", ["ab", "abcd", "abcde"])],
)
def test_networks_see_and_classify_the_classes_they_should(
    see: str, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    classes: list[str] = []
    original = Real.start

    def start(
        self: Networks, iteration: int, previous: Network | None, model: Any, real: Split, streams: Any
    ) -> Network:
        classes.append("".join(real.spec.classes))
        network = original(self, iteration, previous, model, real, streams)  # type: ignore[arg-type]
        assert len(network.weights["linear.bias"]) == len(real.spec.classes)
        assert int(real.labels.max()) == len(real.spec.classes) - 1
        return network

    monkeypatch.setattr(Real, "start", start)
    run = finished(plan_of({"classes": 2, "see": see}))
    assert classes == [each for each in seen for _ in range(2)]
    assert (len(run), run.iterations, run.iteration) == (12, 6, 6)


def test_a_run_goes_on_in_any_group(tmp_path: Any) -> None:
    plan = plan_of({"classes": NAMED, "see": "all"}, optimizer__average=0.0)
    whole = finished(plan).codes()["images"]
    for steps in (0, 3, 4, 5, 8):
        run = condense(plan, DATA, device="cpu")
        for _ in range(steps):
            next(run)
        checkpoint.save(tmp_path / f"{steps}", run, 0.0)
        resumed = condense(plan, DATA, device="cpu")
        checkpoint.restore(checkpoint.read(tmp_path / f"{steps}"), resumed)
        assert resumed.steps_done == steps
        for _ in resumed:
            pass
        assert torch.equal(resumed.codes()["images"], whole)


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"groups": {"classes": 6}}, ["groups.classes: 6", "5 classes", "smaller"]),
        ({"groups": {"classes": [["a", "x"]]}}, ["groups.classes: 'x'", "no class", "a, b, c, d, e"]),
        ({"groups": {"classes": [["a", "b"], ["b", "c"]]}}, ["groups.classes: 'b'", "in 2 groups", "once"]),
        ({"groups": {"classes": [["a"]]}}, ["groups.classes: 'b'", "in 0 groups"]),
        ({"groups": {"classes": 0}}, ["groups.classes: 0", "greater than or equal to 1"]),
        ({"groups": {"classes": 2}, "snapshot_every": 1}, ["snapshot_every", "[groups]"]),
        (
            {"groups": {"classes": 2, "see": "group"}, "labels": {"type": "teacher"}},
            ["groups.see: 'group'", "soft labels", "groups.see = 'all'"],
        ),
    ],
)
def test_groups_that_do_not_fit_are_refused(settings: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        condense(small_pipeline(**settings).model_copy(update={"model": ToyModel()}), DATA, device="cpu")
    assert_names(str(caught.value), *parts)


@pytest.mark.parametrize("see", ["group", "so-far"])
def test_each_group_has_a_pool_of_networks_that_know_no_more_than_it(
    see: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDC_CACHE", str(tmp_path))
    pool = {"networks": 2, "epochs": [0, 1]}
    networks = {"type": "between", "pool": pool}
    plan = plan_of({"classes": 2, "see": see}, networks=networks)
    run = condense(plan, DATA, device="cpu")
    assert run.pretrain() is not None
    whole = Pretraining.of(plan, run.data.train)
    assert whole.missing() == []
    outputs = [len(split.spec.classes) for split in seen_by_groups(plan, run.data.train)]
    assert outputs == {"group": [2, 2, 1], "so-far": [2, 4, 5]}[see]
    assert len({network.file.parent for network in whole.networks()}) == 3
    assert run.pretrain() is None, "trained twice"
    for _ in run:
        pass
    again = condense(plan, DATA, device="cpu")
    for _ in again:
        pass
    assert torch.equal(run.codes()["images"], again.codes()["images"])
