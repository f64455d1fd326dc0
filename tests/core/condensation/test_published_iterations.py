"""Whole iterations of NCFM's and DANCE's public code against the golden tensors (float64).

Each iteration clamps the codes, makes a class step on the match loss through one network, and then a class
step on the cross-entropy through another.
"""

import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from golden_cases import Case, assert_exact, golden_convnet, load_golden
from idc.kinds import Batch, ImageSpec, NetworkView, Optimizer, Scalar, Streams
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.objectives.characteristic import characteristic_distance
from idc.stages.objectives.feature import Feature
from idc.synset.codes import of_class

DECODER = MultiFormation(factor=2)

Loss = Callable[[Batch], Scalar]
"""Of one class's normalised synthetic images."""


def spec_of(case: Case) -> ImageSpec:
    size, classes = int(case.header["size"]), int(case.header["n_classes"])
    return ImageSpec(
        channels=3,
        height=size,
        width=size,
        classes=tuple(map(str, range(classes))),
        mean=tuple(json.loads(case.header["mean"])),
        std=tuple(json.loads(case.header["std"])),
    )


def optimizer_of(case: Case) -> Optimizer:
    header = case.header
    table = {
        "type": header.get("optimizer", "sgd"),
        "learning_rate": float(header["lr_img"]),
        "step": "class",
    }
    if table["type"] == "adamw":
        table |= {"weight_decay": float(header["weight_decay"]), "eps": float(header["adam_eps"])}
    else:
        table |= {"momentum": float(header["momentum"])}
    return Optimizer.model_validate(table)


def through(case: Case, weights: dict[str, Tensor]) -> NetworkView:
    header = {**case.header, "channels": "3", "image_size": case.header["size"]}
    prefixed = {f"weight.{name}": weight for name, weight in weights.items()}
    return NetworkView(golden_convnet(Case(prefixed, header), int(header["n_classes"])))


def part(case: Case, prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor for name, tensor in case.tensors.items() if name.startswith(prefix)
    }


def normalised(images: Tensor, spec: ImageSpec) -> Tensor:
    mean, std = (torch.tensor(each, dtype=torch.float64).view(3, 1, 1) for each in (spec.mean, spec.std))
    return (images - mean) / std


def calibration(net: NetworkView) -> Loss:
    return lambda syn: nn.functional.cross_entropy(net.logits(syn.images), syn.labels)


def run(
    case: Case, losses: Callable[[int, int], tuple[Loss, Loss]]
) -> tuple[Tensor, dict[str, dict[str, Tensor]]]:
    """The codes (stored images, …) after all iterations, and the optimizer's state.

    Args:
        case: golden.
        losses: of an iteration and a class: the match and the calibration.
    """
    spec, optimizer, ipc = spec_of(case), optimizer_of(case), int(case.header["ipc"])
    classes = len(spec.classes)
    codes = {"images": case["initial_codes"].unflatten(0, (classes, ipc))}
    state, number = optimizer.initial_state(codes), 0
    for iteration in range(int(case.header["iterations"])):
        codes = DECODER.project(codes, spec)
        each = [losses(iteration, label) for label in range(classes)]
        for sweep in range(2):
            codes = optimizer.before_gradients(codes, state, number)
            gradients = list[Tensor]()
            for label in range(classes):
                leaf = codes["images"][label].clone().requires_grad_()
                own = of_class(DECODER, {"images": codes["images"]}, label) | {"images": leaf}
                batch = DECODER.decode(own, torch.full((ipc,), label), spec)
                loss = each[label][sweep](Batch(normalised(batch.images, spec), batch.labels))
                gradients += torch.autograd.grad(loss, leaf)
            codes, state = optimizer.update(codes, state, {"images": torch.stack(gradients)}, number)
            number += 1
    flat = {buffer: {name: x.flatten(0, 1) for name, x in named.items()} for buffer, named in state.items()}
    return codes["images"].flatten(0, 1), flat


def sampled(noise: Tensor, sampler: dict[str, Tensor]) -> Tensor:
    """The frequencies of NCFM's sampling network, each repeated 16 times."""
    for linear, norm in ((0, 1), (3, 4), (6, 7)):
        names = [f"t_layers_list.{layer}.{what}" for layer in (linear, norm) for what in ("weight", "bias")]
        weight, bias, scale, shift = (sampler[name] for name in names)
        noise = nn.functional.linear(noise, weight, bias)
        noise = nn.functional.batch_norm(noise, None, None, scale, shift, training=True)
        noise = noise.tanh() if linear == 6 else nn.functional.leaky_relu(noise, 0.2)
    return noise.repeat(16, 1)


@pytest.mark.parametrize("name", ["adamw", "sgd", "minmax"])
def test_iterations_of_ncfm(name: str) -> None:
    case = load_golden(f"ncfm_iteration_{name}")
    spec = spec_of(case)
    between, trained = (through(case, part(case, f"weight_{which}.")) for which in ("interval", "final"))
    alpha, beta = float(case.header["alpha"]), float(case.header["beta"])

    def losses(iteration: int, label: int) -> tuple[Loss, Loss]:
        if name == "minmax":
            frequencies = sampled(case["noise"][iteration, label], part(case, "sampler_before."))
        else:
            frequencies = case["frequencies"][iteration, label]
        real = normalised(case["real_images"][iteration, label], spec)

        def embedded(images: Tensor) -> Tensor:
            return nn.functional.normalize(between.features(images)[-1].flatten(1), eps=1e-12)

        def match(syn: Batch) -> Scalar:
            wanted = embedded(real).detach()
            return 300 * characteristic_distance(wanted, embedded(syn.images), frequencies, alpha, beta)

        return match, calibration(trained)

    codes, state = run(case, losses)
    assert_exact(codes, case["codes_after"])
    if name == "adamw":
        assert_exact(state["exp_avg"]["images"], case["optimizer.exp_avg"])
        assert_exact(state["exp_avg_sq"]["images"], case["optimizer.exp_avg_sq"])
        return
    # The closed form holds each class's velocity as its own step left it.
    classes, momentum = len(spec.classes), float(case.header["momentum"])
    velocity = state["velocity"]["images"].unflatten(0, (classes, -1)).clone()
    for label in range(classes):
        velocity[label] *= momentum ** (classes - 1 - label)
    assert_exact(velocity.flatten(0, 1), case["optimizer.momentum_buffer"])


def test_iterations_of_dance() -> None:
    case = load_golden("dance_run")
    spec = spec_of(case)

    def losses(iteration: int, label: int) -> tuple[Loss, Loss]:
        pair, share = int(case["chosen"][iteration]), case["shares"][iteration]
        initial, trained = (part(case, f"pool.{pair}.{which}.") for which in ("init", "trained"))
        middle = {name: share * weight + (1 - share) * trained[name] for name, weight in initial.items()}
        between, real = through(case, middle), case["real_images"][iteration, label]
        batch = Batch(normalised(real, spec), torch.full((len(real),), label))
        return lambda syn: Feature().distance(between, batch, syn), calibration(through(case, trained))

    codes, _ = run(case, losses)
    assert_exact(codes, case["codes_after"])


def test_dance_begins_with_a_mix_of_the_first_images() -> None:
    case = load_golden("dance_run")
    labels, ipc = case["source_labels"], int(case.header["ipc"])
    first = [case["source_images"][labels == label][: 4 * ipc] for label in range(int(labels.max()) + 1)]
    codes = DECODER.encode(torch.stack(first), ipc, spec_of(case), Streams(0))
    assert_exact(codes["images"].flatten(0, 1), case["initial_codes"])
