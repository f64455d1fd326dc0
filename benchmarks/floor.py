"""How far the steps are from what this machine can do at best.

    uv run python benchmarks/floor.py | tee benchmarks/results/floor.txt

The floor of a step is the time of its convolutions alone: each takes its multiplications at the highest
rate that any convolution reaches here, or reads and writes its tensors once at the rate of copying memory,
whichever takes longer. Norms, activations, augmentation and everything else are free in it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from cases import (
    CIFAR10,
    arguments,
    begin,
    colour_images,
    compiled,
    machine,
    narrowed,
    prepared,
    random_images,
    wait,
)
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from idc.condensation.loop import Condensation
from idc.network.network import Network
from idc.runtime.options import Precision
from idc.stages.networks.real import Real

CONVOLUTIONS = (torch.ops.aten.convolution, torch.ops.aten.convolution_backward)
CASES = {"ConvNet-3, factor 2": CIFAR10, "ConvNet-3, factor 1": "cifar10-ipc10-idc-i"}


class Convolutions(TorchDispatchMode):
    """Operations and bytes of every convolution within the block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[float, float]] = []

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        if packet in CONVOLUTIONS:
            tensors = [leaf for leaf in pytree.tree_leaves((args, results)) if isinstance(leaf, Tensor)]
            size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
            operations = flop_registry[packet](*args, **(kwargs or {}), out_val=results)
            self.found.append((float(operations), float(size)))
        return results


def median_seconds(work: Callable[[], object], device: torch.device, rounds: int, calls: int = 1) -> float:
    """Median time of a call, after two rounds that are not counted.

    Args:
        work: what is called.
        device: that is waited for after each round.
        rounds: that are counted.
        calls: in a round; many where a call is short beside launching it and waiting for it.
    """
    times: list[float] = []
    for number in range(rounds + 2):
        began = time.perf_counter()
        for _ in range(calls):
            work()
        wait(device)
        if number > 1:
            times.append((time.perf_counter() - began) / calls)
    return statistics.median(times)


def peak_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the fastest of some convolutions, forwards."""
    rates: list[float] = []
    for channels, size in ((128, 16), (128, 8), (256, 16), (512, 14)):
        images = torch.randn(64, channels, size, size, device=device, dtype=dtype)
        kernel = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        images, kernel = (each.contiguous(memory_format=torch.channels_last) for each in (images, kernel))

        def convolve(images: Tensor = images, kernel: Tensor = kernel) -> Tensor:
            return torch.nn.functional.conv2d(images, kernel, padding=1)

        operations = 2 * images.numel() * kernel[0].numel()
        calls = 50 if device.type == "cuda" else 1
        rates.append(operations / median_seconds(convolve, device, 20, calls))
    return max(rates)


def bandwidth(device: torch.device) -> float:
    """Bytes a second, read and written, of copying 256 MB."""
    source = torch.randn(2**26, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * len(source) / median_seconds(lambda: target.copy_(source), device, 5)


def main() -> None:
    given = arguments(__doc__).parse_args()
    begin()
    device = torch.device(given.device)
    rate: dict[Precision, float] = {
        "fp32": peak_rate(device, torch.float32),
        "bf16": peak_rate(device, torch.bfloat16),
    }
    copied = bandwidth(device)
    print(f"{machine(device)}, medians of {given.rounds}")
    print(
        f"convolutions reach {rate['fp32'] / 1e9:.0f} GFLOP/s in fp32 and {rate['bf16'] / 1e9:.0f} in bf16; "
        f"memory is copied at {copied / 1e9:.1f} GB/s\n"
    )
    print("| case | precision | operations | floor | idc | idc / floor |\n|---|---|---|---|---|---|")
    for name, preset in CASES.items():
        for precision in rate:
            for part, operations, floor, taken in measure(preset, precision, rate[precision], copied, given):
                print(
                    f"| {name}: {part} | {precision} | {operations / 1e9:.0f} GFLOP | {1000 * floor:.3g} ms "
                    f"| {1000 * taken:.3g} ms | {taken / floor:.2f} |",
                    flush=True,
                )


def measure(
    preset: str, precision: Precision, rate: float, copied: float, given: argparse.Namespace
) -> list[tuple[str, float, float, float]]:
    """Operations, floor and time of an inner step and of the network's training after it."""
    split, device, narrow = (
        random_images(colour_images(32), 500),
        torch.device(given.device),
        narrowed(given.width),
    )
    condensation, network = prepared(compiled(preset, precision, narrow), split, device)
    eager, _ = prepared(compiled(preset, precision, {**narrow, "compile": False}), split, device)
    networks, train = condensation.pipeline.networks, condensation.data.train
    assert isinstance(networks, Real)
    steps = iter(range(10**9))

    def inner_step(run: Condensation) -> object:
        return run.group.inner_step(network, next(steps))

    def update(run: Condensation) -> Network:
        with run.group.execution.active():
            return networks.train(network, train, lambda: train)

    rows: list[tuple[str, float, float, float]] = []
    for part, work in (("ten matches", inner_step), ("network update", update)):
        with Convolutions() as counted:
            work(eager)
        width = 0.5 if precision == "bf16" else 1.0
        floor = sum(max(operations / rate, width * size / copied) for operations, size in counted.found)
        taken = median_seconds(lambda work=work: work(condensation), device, given.rounds)
        rows.append((part, sum(operations for operations, _ in counted.found), floor, taken))
    return rows


if __name__ == "__main__":
    main()
