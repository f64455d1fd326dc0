"""Where does bf16 pay? One inner step of CIFAR-10, 10 images per class, in float32 and in bf16, alternating.

    uv run python benchmarks/bf16.py | tee benchmarks/results/bf16.txt

First as this CPU computes it, then in a process whose oneDNN may not use the instructions for bfloat16
(ONEDNN_MAX_CPU_ISA), as on a CPU without them. Both are compiled; medians of alternating rounds.
"""

import os
import platform
import statistics
import subprocess
import sys
import time

import torch
from cases import CIFAR10, colour_images, compiled, prepared, random_images

from idc.condensation.loop import Condensation
from idc.network.network import Network
from idc.runtime.execution import computes_bf16
from idc.stages.networks.real import Real
from idc_cli.allocator import keep_freed_memory

ROUNDS = 3
LIMIT = "ONEDNN_MAX_CPU_ISA"
WITHOUT = "AVX512_CORE_VNNI"
"""The last instruction set before AVX512_BF16; on a CPU without AVX-512 nothing changes."""


def seconds(run: Condensation, network: Network, step: int) -> float:
    """Of the matches of all classes and the training that follows them."""
    networks, train = run.pipeline.networks, run.data.train
    assert isinstance(networks, Real)
    began = time.monotonic()
    run.group.inner_step(network, step)
    with run.group.execution.active():
        networks.train(network, train, lambda: train)
    return time.monotonic() - began


def main() -> None:
    keep_freed_memory()
    device, split = torch.device("cpu"), random_images(colour_images(32), 500)
    runs = {
        precision: prepared(compiled(CIFAR10, precision), split, device) for precision in ("fp32", "bf16")
    }
    taken: dict[str, list[float]] = {precision: [] for precision in runs}
    for step in range(ROUNDS + 1):
        for precision, (run, network) in runs.items():
            taken[precision].append(seconds(run, network, step))
    # The first of each compiled.
    medians = {precision: statistics.median(each[1:]) for precision, each in taken.items()}
    limited = os.environ.get(LIMIT)
    how = f"{LIMIT}={limited}" if limited else f"bf16 in hardware: {'yes' if computes_bf16(device) else 'no'}"
    both = ", ".join(f"{precision} {value:.2f} s" for precision, value in medians.items())
    print(f"{how}: {both}, ratio {medians['fp32'] / medians['bf16']:.2f}", flush=True)


if __name__ == "__main__":
    if LIMIT not in os.environ:
        threads = f"{torch.get_num_threads()} threads"
        print(f"torch {torch.__version__}, {platform.machine()}, {threads}, medians of {ROUNDS}", flush=True)
        main()
        subprocess.run([sys.executable, __file__], env={**os.environ, LIMIT: WITHOUT}, check=True)
    else:
        main()
