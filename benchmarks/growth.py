"""How the time and the memory of matching grow with images per class, factor, classes and image size.

    uv run --with matplotlib python benchmarks/growth.py --plot benchmarks/results/growth.png \
        | tee benchmarks/results/growth.txt

One sweep over the classes, compiled, in float32. Each case runs in a process of its own, whose largest
resident size, beyond what it had before the first match, is its memory.
"""

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from cases import CIFAR10, colour_images, compiled, machine, prepared, random_images
from floor import median_seconds

from idc_cli.allocator import keep_freed_memory

BASE = {"images per class": 10, "factor": 2, "classes": 10, "size": 32}
VALUES = {
    "images per class": (1, 10, 50),
    "factor": (1, 2, 3),
    "classes": (10, 100),
    "size": (32, 64, 128),
}
ROUNDS = 3


def measure(case: dict[str, int]) -> dict[str, Any]:
    """Seconds and bytes of a sweep."""
    spec = colour_images(case["size"], case["classes"])
    changes = {
        "images_per_class": case["images per class"],
        "decoder.factor": case["factor"],
        "init": {"type": "noise"},
    }
    plan = compiled(CIFAR10, changes=changes)
    split = random_images(spec, 100)
    device = torch.device("cpu")
    condensation, network = prepared(plan, split, device)
    before, steps = resident(), iter(range(10**9))
    # Eagerly it is more; compiling takes memory too, but in processes of its own.
    seconds = median_seconds(lambda: condensation.group.inner_step(network, next(steps)), device, ROUNDS)
    seen = min(case["images per class"] * case["factor"] ** 2, 128)
    return {**case, "synthetic": seen, "seconds": seconds, "bytes": resident() - before}


def resident() -> int:
    """The largest resident size of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", type=json.loads, help="measure this one and print JSON")
    parser.add_argument("--plot", type=Path, help="a picture of the table; needs matplotlib")
    given = parser.parse_args()
    keep_freed_memory()
    if given.case:
        print(json.dumps(measure(given.case)))
        return
    print(f"{machine(torch.device('cpu'))}, medians of {ROUNDS}")
    print("one sweep over the classes, 64 real images of each")
    print(f"unless varied: {', '.join(f'{name} {value}' for name, value in BASE.items())}\n")
    print("| varied | value | synthetic images of a class | time of a sweep | a class and image | memory |")
    print("|---|---|---|---|---|---|", flush=True)
    results: dict[str, list[dict[str, Any]]] = {}
    known: dict[str, dict[str, Any]] = {}
    for name, values in VALUES.items():
        for value in values:
            case = json.dumps({**BASE, name: value})
            if case not in known:
                command = [sys.executable, __file__, "--case", case]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                known[case] = json.loads(done.stdout)
            found = known[case]
            results.setdefault(name, []).append(found)
            each = found["seconds"] / found["classes"] / (64 + found["synthetic"])
            print(
                f"| {name} | {value} | {found['synthetic']} | {1000 * found['seconds']:.0f} ms "
                f"| {1e6 * each:.0f} µs | {found['bytes'] / 1e6:.0f} MB |",
                flush=True,
            )
    if given.plot:
        plot(results, given.plot)


def plot(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Time and memory against each quantity, both axes logarithmic."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(results), figsize=(12, 5.5), sharey="row", layout="constrained")
    for column, (name, rows) in enumerate(results.items()):
        for axis, what, unit in ((axes[0, column], "seconds", 1.0), (axes[1, column], "bytes", 1e6)):
            values = [row[name] for row in rows]
            axis.loglog(values, [row[what] / unit for row in rows], "o-", color="#2563a8")
            axis.set_xticks(values, [str(value) for value in values])
            axis.minorticks_off()
            axis.grid(alpha=0.3)
        axes[1, column].set_xlabel(name)
    axes[0, 0].set_ylabel("a sweep, s")
    axes[1, 0].set_ylabel("memory, MB")
    figure.suptitle(
        "Matching, compiled, float32: ConvNet-3; 10 images per class, factor 2, 10 classes, 32 px"
    )
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
