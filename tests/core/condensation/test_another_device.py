"""On another device than the CPU, no tensor is left behind.

On ``meta``, operations on tensors of two devices are refused as on a GPU, and nothing is computed.
"""

from typing import Any

import pytest
import torch

from idc.condensation.group import Group
from idc.condensation.loop import Condensation, condense
from idc.data.split import RealData, Split
from idc.kinds import Augmentation, Decoder
from idc.kinds.stage import Stage
from idc.runtime.processes import Processes
from idc.shapes import Indices
from idc.testing import toy_split
from idc.testing.assertions import META
from installed_stages import by_type, installed, without_values
from small import small_pipeline

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell what the engine itself reads from the device, once in a run or an outer iteration."""
    move, select = Split.to, Split.at

    def to(split: Split, device: torch.device) -> Split:
        moved = move(split, device)
        known = {"members": split.members, "_fingerprint": split.fingerprint()}
        vars(moved).update(known)
        return moved

    def at(split: Split, indices: Indices) -> Split:
        selected = select(split, indices)
        if indices.device != META:
            labels = torch.empty(len(split), dtype=torch.long)
            for label, members in enumerate(split.members):
                labels[members] = label
            some = labels[indices]
            vars(selected)["members"] = [
                (some == label).nonzero().flatten() for label in range(len(split.members))
            ]
        return selected

    monkeypatch.setattr(Split, "to", to)
    monkeypatch.setattr(Split, "at", at)
    monkeypatch.setattr(Group, "refuse_infinite", lambda group: None)


def check(**fields: Any) -> None:
    """Condense on ``meta`` with some stages of the small pipeline replaced."""
    written = {name: value for name, value in fields.items() if not isinstance(value, Stage | tuple)}
    stages = {name: value for name, value in fields.items() if name not in written}
    plan = small_pipeline(iterations=1, **written).model_copy(update=stages)
    data = RealData(toy_split(), toy_split(seed=1))
    # Their training looks at the accuracy.
    condense(plan, data, device="cpu").pretrain()
    run = Condensation(plan, data, META, 1, Processes())
    assert [step.loss.device for step in run] == [META] * len(run)
    assert all(code.device == META for code in run.codes().values())


METHODS: dict[str, dict[str, Any]] = {
    "idc": {},
    "dc": {"networks": {"type": "synthetic", "epochs": 1}, "optimizer__step": "joint"},
    "dm": {"networks": {"type": "frozen"}, "objective": {"type": "feature"}},
}


@pytest.mark.parametrize("name", METHODS)
def test_methods(name: str) -> None:
    check(**METHODS[name])


@pytest.mark.parametrize("stage", installed("decoder"), ids=by_type)
def test_decoders(stage: Decoder) -> None:
    check(init={"type": "random"}, decoder=stage)


@pytest.mark.parametrize("stage", without_values("augment"), ids=by_type)
def test_augmentations(stage: Augmentation) -> None:
    check(augment=(stage,))


OTHERS = ("init", "sampler", "objective", "networks", "optimizer")
"""Tables of which any type fits the other stages of the small pipeline."""


@pytest.mark.parametrize(
    ("table", "stage"),
    [
        pytest.param(table, stage, id=f"{table}.{stage.type}")
        for table in OTHERS
        for stage in without_values(table)
    ],
)
def test_other_stages(table: str, stage: Stage) -> None:
    check(**{table: stage})
