"""The closed form of IDC's class steps against the steps themselves."""

import pytest
import torch
from torch import Tensor

from idc.stages.optimizers.sgd import Optimizer


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
    optimizer = Optimizer(learning_rate=0.05, momentum=momentum)
    codes, velocity = {"x": start}, {"x": torch.zeros_like(start)}
    for _ in range(6):
        for label in range(classes):
            reference.grad = torch.zeros_like(reference)
            reference.grad[label] = gradient_of(label, reference.detach()[label])
            sgd.step()
        codes = optimizer.before(codes, velocity)
        gradients = torch.stack([gradient_of(label, codes["x"][label]) for label in range(classes)])
        codes, velocity = optimizer.after(codes, velocity, {"x": gradients})
        torch.testing.assert_close(codes["x"], reference.detach(), rtol=1e-12, atol=1e-12)


def test_joint_steps_and_shared_tensors_are_plain_sgd() -> None:
    start = torch.randn(4, 3, dtype=torch.float64)
    reference = start.clone().requires_grad_()
    sgd = torch.optim.SGD([reference], lr=0.1, momentum=0.5)
    joint = Optimizer(learning_rate=0.1, step="joint")
    by_class = Optimizer(learning_rate=0.1)
    codes = {"x": start}
    shared = {"x": start}
    velocity = shared_velocity = {"x": torch.zeros_like(start)}
    for _ in range(3):
        reference.grad = gradient_of(0, reference.detach())
        sgd.step()
        codes, velocity = joint.after(
            joint.before(codes, velocity), velocity, {"x": gradient_of(0, codes["x"])}
        )
        gradients = {"x": gradient_of(0, shared["x"])}
        shared = by_class.before(shared, shared_velocity, ["x"])
        shared, shared_velocity = by_class.after(shared, shared_velocity, gradients, ["x"])
        torch.testing.assert_close(codes["x"], reference.detach())
        torch.testing.assert_close(shared["x"], reference.detach())
