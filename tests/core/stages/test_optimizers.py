"""The optimizers of the codes against torch's, stepped after every class or once for all."""

from collections.abc import Collection
from typing import Any

import pytest
import torch
from torch import Tensor

from idc.kinds import Codes, Optimizer
from idc.stages.optimizers.adam import Adam, AdamW
from idc.stages.optimizers.sgd import SGD
from idc.testing import check_optimizer

CLASSES = [1, 2, 10]


def gradient_of(label: int, x: Tensor) -> Tensor:
    """A different nonlinear gradient for each class."""
    return torch.sin(3 * x + label) + x**3


def start(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def updated(optimizer: Optimizer, codes: Codes, updates: int, shared: Collection[str] = ()) -> list[Tensor]:
    """The code ``x`` after each update; with a gradient for each class, or for the whole if it is shared."""
    state, after = optimizer.initial_state(codes), list[Tensor]()
    for number in range(updates):
        codes = optimizer.before_gradients(codes, state, number, shared)
        x = codes["x"]
        one = "x" in shared
        gradients = (
            gradient_of(0, x)
            if one
            else torch.stack([gradient_of(label, each) for label, each in enumerate(x)])
        )
        codes, state = optimizer.update(codes, state, {"x": gradients}, number, shared)
        after.append(codes["x"])
    return after


def assert_by_class(optimizer: Optimizer, torchs: torch.optim.Optimizer, classes: int, updates: int) -> None:
    """The same codes as torch's optimizer of all codes, stepped after each class's gradient."""
    (reference,) = torchs.param_groups[0]["params"]
    for number, found in enumerate(updated(optimizer, {"x": start(classes, 3)}, updates)):
        torchs.param_groups[0]["lr"] = optimizer.rate(number)
        for label in range(classes):
            reference.grad = torch.zeros_like(reference)
            reference.grad[label] = gradient_of(label, reference.detach()[label])
            torchs.step()
        torch.testing.assert_close(found, reference.detach(), rtol=1e-12, atol=1e-12)


def assert_jointly(optimizer: Optimizer, torchs: torch.optim.Optimizer, shared: Collection[str] = ()) -> None:
    """The same codes as torch's optimizer, stepped once in each update."""
    (reference,) = torchs.param_groups[0]["params"]
    for number, found in enumerate(updated(optimizer, {"x": start(4, 3)}, 6, shared)):
        torchs.param_groups[0]["lr"] = optimizer.rate(number)
        x = reference.detach()
        each = torch.stack([gradient_of(label, code) for label, code in enumerate(x)])
        reference.grad = gradient_of(0, x) if shared else each
        torchs.step()
        torch.testing.assert_close(found, reference.detach(), rtol=1e-12, atol=1e-12)


def parameter(*shape: int) -> list[Tensor]:
    return [start(*shape).requires_grad_()]


SCHEDULES: list[dict[str, Any] | None] = [None, {"milestones": [2, 4], "decay": 0.3, "warmup": 2}]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["constant", "schedule"])
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_class_steps_of_sgd_are_torchs(momentum: float, classes: int, schedule: Any) -> None:
    optimizer = SGD(learning_rate=0.05, momentum=momentum, schedule=schedule)
    torchs = torch.optim.SGD(parameter(classes, 3), lr=0.05, momentum=momentum)
    assert_by_class(optimizer, torchs, classes, updates=6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["constant", "schedule"])
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.9)])
def test_class_steps_of_adam_and_adamw_are_torchs(
    betas: tuple[float, float], classes: int, schedule: Any
) -> None:
    fields: dict[str, Any] = {"learning_rate": 0.1, "betas": betas, "eps": 1e-6, "step": "class"}
    adam = torch.optim.Adam(parameter(classes, 3), betas=betas, eps=1e-6)
    assert_by_class(Adam(**fields, schedule=schedule), adam, classes, updates=6)
    adamw = torch.optim.AdamW(parameter(classes, 3), betas=betas, eps=1e-6, weight_decay=0.1)
    assert_by_class(AdamW(**fields, weight_decay=0.1, schedule=schedule), adamw, classes, updates=6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["constant", "schedule"])
@pytest.mark.parametrize("shared", [(), ("x",)], ids=["joint", "shared"])
def test_joint_steps_and_shared_tensors_are_torchs(shared: Collection[str], schedule: Any) -> None:
    step = "class" if shared else "joint"
    sgd = SGD(learning_rate=0.1, momentum=0.5, step=step, schedule=schedule)
    assert_jointly(sgd, torch.optim.SGD(parameter(4, 3), lr=0.1, momentum=0.5), shared)
    adam = Adam(learning_rate=0.1, betas=(0.8, 0.95), eps=1e-6, step=step, schedule=schedule)
    assert_jointly(adam, torch.optim.Adam(parameter(4, 3), betas=(0.8, 0.95), eps=1e-6), shared)
    adamw = AdamW(learning_rate=0.1, step=step, schedule=schedule)
    assert_jointly(adamw, torch.optim.AdamW(parameter(4, 3)), shared)


def test_the_state_of_class_steps_is_torchs() -> None:
    (reference,) = parameters = parameter(3, 2)
    torchs, optimizer = torch.optim.Adam(parameters, lr=0.1), Adam(learning_rate=0.1, step="class")
    gradients = start(3, 2) + 2
    codes: Codes = {"x": start(3, 2)}
    state = optimizer.initial_state(codes)
    for number in range(3):
        codes = optimizer.before_gradients(codes, state, number)
        codes, state = optimizer.update(codes, state, {"x": gradients}, number)
        for label in range(3):
            reference.grad = torch.zeros_like(reference)
            reference.grad[label] = gradients[label]
            torchs.step()
    for buffer, found in state.items():
        torch.testing.assert_close(found["x"], torchs.state[reference][buffer], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("type", ["sgd", "adam", "adamw"])
def test_every_way_to_step_keeps_the_promises_of_the_kind(type: str) -> None:
    for step in ("class", "joint"):
        for schedule in SCHEDULES:
            table = {"type": type, "learning_rate": 0.01, "step": step}
            check_optimizer(Optimizer.model_validate(table | ({"schedule": schedule} if schedule else {})))


def test_the_learning_rate_rises_and_decays() -> None:
    table = {"learning_rate": 0.8, "schedule": {"milestones": [5, 6], "warmup": 3}}
    rates = [Optimizer.model_validate(table).rate(number) for number in range(8)]
    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.4, 0.2, 0.2], rel=1e-12)
