"""Are three networks trained at once faster than one after another?

    uv run python benchmarks/parallel_seeds.py | tee benchmarks/results/parallel_seeds.txt

ConvNet-3 on batches of 64 images of CIFAR-10's size: plain SGD steps, compiled, the three networks stacked by
``torch.func.vmap`` (which makes grouped convolutions of theirs) or in a loop.
"""

import time

import torch
from cases import CIFAR10, arguments, begin, colour_images, compiled, machine, narrowed
from floor import median_seconds
from torch import Tensor
from torch.func import functional_call, grad, vmap

from idc.network.network import Weights
from idc.runtime.compiler import compute
from idc.runtime.execution import Execution, current_execution
from idc.seeding import Streams

SEEDS = 3


def main() -> None:
    given = arguments(__doc__).parse_args()
    device = torch.device(given.device)
    begin()
    spec, model = colour_images(32), compiled(CIFAR10, changes=narrowed(given.width)).model
    networks = [model.fresh(spec, Streams(seed), device) for seed in range(SEEDS)]
    module = networks[0].module
    images = torch.rand(SEEDS, 64, *spec.shape, device=device)
    labels = torch.arange(64, device=device).remainder(10).expand(SEEDS, 64)
    stacked = {name: torch.stack([each.weights[name] for each in networks]) for name in networks[0].weights}

    def step(weights: Weights, images: Tensor, labels: Tensor) -> Weights:
        def loss(weights: Weights) -> Tensor:
            with current_execution().layers():
                logits = functional_call(module, weights, (images,))
            return torch.nn.functional.cross_entropy(logits, labels)

        gradients = grad(loss)(weights)
        return {name: weight - 0.01 * gradients[name] for name, weight in weights.items()}

    def together() -> None:
        compute("three networks", "together", vmap(step), stacked, images, labels)

    def in_turn() -> None:
        for seed, network in enumerate(networks):
            compute("a network", "alone", step, network.weights, images[seed], labels[seed])

    print(f"{machine(device)}, medians of {given.rounds}")
    for precision in ("fp32", "bf16"):
        began = time.perf_counter()
        with Execution(precision, compile=True, mapped=True).active():
            at_once = median_seconds(together, device, given.rounds)
        with Execution(precision, compile=True).active():
            one_by_one = median_seconds(in_turn, device, given.rounds)
        ratio = one_by_one / at_once
        print(
            f"{precision}: one after another {1000 * one_by_one:.0f} ms, at once {1000 * at_once:.0f} ms; "
            f"at once is {ratio:.2f} times as fast ({time.perf_counter() - began:.0f} s with compiling)"
        )


if __name__ == "__main__":
    main()
