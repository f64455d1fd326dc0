"""The class match in eager mode, by torch.autograd.grad and by torch.func: which is faster?

Both compute the same pixel gradient of the squared distance between kernels' gradients; rounds alternate.

    uv run python benchmarks/gradient_formulations.py | tee benchmarks/results/gradient_formulations.txt
"""

import platform
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from idc.network.network import Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch
from idc.spec import ImageSpec
from idc.stages.decoders.tiles import enlarged_tiles
from idc.stages.objectives.gradient import Gradient
from idc_models.convnet import ConvNet

ROUNDS = 15


def compare(title: str, channels: int, size: int, width: int, stored: int) -> None:
    """Time both formulations of one class match (64 real images, factor 2)."""
    generator = Streams(0).generator()
    spec = ImageSpec(
        channels=channels,
        height=size,
        width=size,
        classes=tuple("0123456789"),
        mean=(0.5,) * channels,
        std=(0.25,) * channels,
    )
    with Streams(0).seeded():
        network = Network.of(ConvNet(width=width).build(spec), Streams(0))
    real = Batch(torch.rand(64, *spec.shape, generator=generator), torch.zeros(64, dtype=torch.int64))
    codes = torch.rand(stored, *spec.shape, generator=generator)
    labels = torch.zeros(4 * stored, dtype=torch.int64)
    kernels = {name: weight for name, weight in network.weights.items() if weight.ndim >= 3}

    def autograd() -> Tensor:
        leaf = codes.detach().requires_grad_()
        distance = Gradient().distance(NetworkView(network), real, Batch(enlarged_tiles(leaf, 2, 2), labels))
        return torch.autograd.grad(distance, leaf)[0]

    def gradients(batch: Batch) -> dict[str, Tensor]:
        def loss(matched: dict[str, Tensor]) -> Tensor:
            logits = functional_call(network.module, {**network.weights, **matched}, (batch.images,))
            return nn.functional.cross_entropy(logits, batch.labels)

        return torch.func.grad(loss)(kernels)

    def functional() -> Tensor:
        def distance(leaf: Tensor) -> Tensor:
            wanted, given = gradients(real), gradients(Batch(enlarged_tiles(leaf, 2, 2), labels))
            return torch.stack([((wanted[name] - given[name]) ** 2).sum() for name in kernels]).sum()

        return torch.func.grad(distance)(codes)

    difference = float((autograd() - functional()).norm() / autograd().norm())
    times: dict[Callable[[], Tensor], list[float]] = {autograd: [], functional: []}
    for _ in range(ROUNDS):
        for formulation, spent in times.items():
            began = time.perf_counter()
            formulation()
            spent.append(time.perf_counter() - began)
    medians = {each: 1000 * statistics.median(spent) for each, spent in times.items()}
    print(
        f"{title}: autograd {medians[autograd]:.1f} ms, torch.func {medians[functional]:.1f} ms, "
        f"ratio {medians[functional] / medians[autograd]:.2f}, relative difference {difference:.0e}"
    )


def main() -> None:
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {platform.machine()}, {threads} threads, medians of {ROUNDS} rounds")
    compare("ConvNet-3 128, 3x32x32, 10 stored images", 3, 32, 128, 10)
    compare("ConvNet-3 32, 1x16x16, 1 stored image", 1, 16, 32, 1)


if __name__ == "__main__":
    main()
