"""Soft labels and temperatures, against the golden tensors and by their definition."""

import pytest
import torch
from torch import nn

from golden_cases import assert_exact, golden_convnet, load_golden
from idc.seeding import Streams
from idc.shapes import Draw
from idc.testing import ToyModel, toy_split
from idc.training.cutmix import mixed_cross_entropy
from idc.training.recipe import Training
from idc.training.soft_labels import softened, teacher_logits

CASE = load_golden("ncfm_soft_labels")


def unmixed(count: int) -> Draw:
    return Draw({"permutation": torch.arange(count), "weight": torch.ones(())})


def test_the_teachers_labels_are_the_public_codes() -> None:
    header = {**CASE.header, "channels": "3", "image_size": CASE.header["size"], "depth": "3"}
    teacher = golden_convnet(CASE._replace(header=header), int(CASE.header["n_classes"]))
    logits = teacher.logits(CASE["images"])
    right = logits.argmax(1) == CASE["labels"]
    assert 0 < int(right.sum()) < len(right), "the case has right and wrong guesses"
    assert_exact(teacher_logits(logits, CASE["labels"]), CASE["soft"])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_loss_at_a_temperature_is_the_public_codes(temperature: float) -> None:
    student = CASE["student_logits"].requires_grad_()
    labels = CASE["soft"].softmax(1)
    loss = mixed_cross_entropy(*softened(student, labels, temperature), unmixed(len(labels)))
    assert_exact(loss, CASE[f"loss.t{temperature}"])
    (gradient,) = torch.autograd.grad(loss, student)
    assert_exact(gradient, CASE[f"student_grad.t{temperature}"])


def test_hard_labels_and_certain_ones_stay_as_they_are() -> None:
    logits, labels = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([1])
    scaled, same = softened(logits, labels, 2.0)
    assert torch.equal(same, labels)
    torch.testing.assert_close(scaled, logits / 2)
    certain = torch.tensor([[0.0, 1.0, 0.0]])
    assert torch.equal(softened(logits, certain, 2.0)[1], certain)


def test_training_divides_the_logits_by_its_temperature() -> None:
    split = toy_split(4)
    network = ToyModel().fresh(split.spec, Streams(0))
    recipe = Training(batch_size=8, learning_rate=1.0, momentum=0.0, weight_decay=0.0, temperature=4.0)
    trained = recipe.steps(network, split, 1)
    weights = {name: weight.clone().requires_grad_() for name, weight in network.weights.items()}
    logits = network.logits(recipe.preprocessing(split)(split.images()), weights)
    loss = nn.functional.cross_entropy(logits / 4, split.labels)
    gradients = torch.autograd.grad(loss, tuple(weights.values()))
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        torch.testing.assert_close(trained.weights[name], (weight - gradient).detach())
