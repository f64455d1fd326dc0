"""Distillation of an earlier network into one that is trained further."""

import pytest
import torch
from torch import nn

from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.testing import ToyModel, toy_split
from idc.training.distillation import Distillation, Teacher
from idc.training.recipe import Training

DTYPE = torch.float64


def published(outputs: torch.Tensor, earlier: torch.Tensor, temperature: float, beta: float) -> torch.Tensor:
    """The term as IDC's public code has it: KLDivLoss with the mean over images and classes."""
    known = earlier.shape[1]
    mean = nn.KLDivLoss(reduction="mean")(
        nn.functional.log_softmax(outputs[:, :known] / temperature, dim=1),
        nn.functional.softmax(earlier / temperature, dim=1),
    )
    return mean * temperature * temperature * beta * known


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize(("temperature", "weight"), [(2.0, 1.0), (4.0, 0.3)])
@pytest.mark.parametrize("known", [3, 7])
def test_the_loss_and_its_gradient_are_those_of_the_public_code(
    temperature: float, weight: float, known: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(5, 7, generator=generator, dtype=DTYPE).requires_grad_()
    earlier = torch.randn(5, known, generator=generator, dtype=DTYPE)
    ours = Distillation(temperature=temperature, weight=weight).loss(outputs, earlier)
    theirs = published(outputs, earlier, temperature, weight)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    (gradient,), (expected,) = (torch.autograd.grad(loss, outputs) for loss in (ours, theirs))
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_nothing_is_lost_to_a_network_that_says_the_same() -> None:
    logits = torch.randn(4, 3, dtype=DTYPE)
    assert float(Distillation().loss(logits, logits)) == pytest.approx(0, abs=1e-15)


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_training_step_adds_the_teachers_loss(compiled: bool) -> None:
    split, recipe = toy_split(), Training(batch_size=8, weight_decay=0.0, momentum=0.0)
    network, earlier = (ToyModel().fresh(split.spec, Streams(seed)) for seed in (0, 1))
    distillation = Distillation(temperature=2.0, weight=0.7)
    execution = Execution.on(split.device, "fp32", compiled)
    with execution.active():
        further = recipe.step(
            network, split, recipe.preprocessing(split), teacher=Teacher(earlier, distillation)
        )
    order = torch.randperm(len(split), generator=network.streams.generator("order", 0))[:8]
    images = recipe.preprocessing(split)(split.images(order))
    leaves = {name: weight.detach().requires_grad_() for name, weight in network.weights.items()}
    logits = network.logits(images, leaves)
    loss = nn.functional.cross_entropy(logits, split.labels[order])
    loss = loss + 0.7 * published(logits, earlier.logits(images).detach(), 2.0, 1.0)
    gradients = torch.autograd.grad(loss, tuple(leaves.values()))
    for (name, weight), gradient in zip(network.weights.items(), gradients, strict=True):
        torch.testing.assert_close(further.weights[name], weight - recipe.learning_rate * gradient)


def test_the_teacher_stays_as_it_is() -> None:
    split, recipe = toy_split(), Training(batch_size=8)
    network, earlier = (ToyModel().fresh(split.spec, Streams(seed)) for seed in (0, 1))
    before = {name: tensor.clone() for name, tensor in Teacher(earlier, Distillation()).state.items()}
    recipe.steps(network, split, 3, teacher=Teacher(earlier, Distillation()))
    for name, tensor in Teacher(earlier, Distillation()).state.items():
        assert torch.equal(tensor, before[name])
    assert earlier.module.training, "left in evaluation mode"
