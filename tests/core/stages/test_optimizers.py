"""The closed form of IDC's class steps against the steps themselves."""

import pytest
import torch
from torch import Tensor

from idc.shapes import Codes
from idc.stages.optimizers.adam import Adam
from idc.stages.optimizers.sgd import SGD


def gradient_of(label: int, x: Tensor) -> Tensor:
    """A different nonlinear gradient for each class."""
    return torch.sin(3 * x + label) + x**3


@pytest.mark.parametrize("classes", [1, 2, 10])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_class_steps_equal_stepping_after_every_class(classes: int, momentum: float) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(classes, 3, generator=generator, dtype=torch.float64)
    reference = start.clone().requires_grad_()
    sgd = torch.optim.SGD([reference], lr=0.05, momentum=momentum)
    optimizer = SGD(learning_rate=0.05, momentum=momentum)
    codes: Codes = {"x": start}
    state = optimizer.initial_state(codes)
    for number in range(6):
        for label in range(classes):
            reference.grad = torch.zeros_like(reference)
            reference.grad[label] = gradient_of(label, reference.detach()[label])
            sgd.step()
        codes = optimizer.before_gradients(codes, state)
        gradients = torch.stack([gradient_of(label, codes["x"][label]) for label in range(classes)])
        codes, state = optimizer.update(codes, state, {"x": gradients}, number)
        torch.testing.assert_close(codes["x"], reference.detach(), rtol=1e-12, atol=1e-12)


def test_joint_steps_and_shared_tensors_are_plain_sgd() -> None:
    start = torch.randn(4, 3, dtype=torch.float64)
    reference = start.clone().requires_grad_()
    sgd = torch.optim.SGD([reference], lr=0.1, momentum=0.5)
    joint = SGD(learning_rate=0.1, step="joint")
    by_class = SGD(learning_rate=0.1)
    codes: Codes = {"x": start}
    shared: Codes = {"x": start}
    state, shared_state = joint.initial_state(codes), by_class.initial_state(shared)
    for number in range(3):
        reference.grad = gradient_of(0, reference.detach())
        sgd.step()
        codes = joint.before_gradients(codes, state)
        codes, state = joint.update(codes, state, {"x": gradient_of(0, codes["x"])}, number)
        shared = by_class.before_gradients(shared, shared_state, ["x"])
        gradients = {"x": gradient_of(0, shared["x"])}
        shared, shared_state = by_class.update(shared, shared_state, gradients, number, ["x"])
        torch.testing.assert_close(codes["x"], reference.detach())
        torch.testing.assert_close(shared["x"], reference.detach())


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.95), (0.5, 0.9)])
def test_adam_is_torchs(betas: tuple[float, float]) -> None:
    start = torch.randn(4, 3, dtype=torch.float64)
    reference = start.clone().requires_grad_()
    torchs = torch.optim.Adam([reference], lr=0.1, betas=betas, eps=1e-6)
    adam = Adam(learning_rate=0.1, betas=betas, eps=1e-6)
    codes: Codes = {"x": start}
    state = adam.initial_state(codes)
    for number in range(6):
        reference.grad = gradient_of(0, reference.detach())
        torchs.step()
        codes = adam.before_gradients(codes, state)
        codes, state = adam.update(codes, state, {"x": gradient_of(0, codes["x"])}, number)
        torch.testing.assert_close(codes["x"], reference.detach(), rtol=1e-12, atol=1e-12)
