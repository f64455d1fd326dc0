"""What a dataset beyond memory costs: reading it once, and taking class batches out of what was kept.

    uv run python benchmarks/cached_data.py --images DIR --work DIR | tee benchmarks/results/cached_data.txt

``--images`` is a folder with a few hundred JPEGs or more of 224 pixels, such as the Imagenette sample. They
are linked into ``--work`` under so many names that they are as many as ImageNet-100 has, read once, and kept,
which takes 150 kB for each. Batches are timed with the kept file in memory and dropped from it,
beside the match of one class that they are for: ResNetAP-10 at 224 pixels, 10 images per class, factor 3.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import torch
from cases import compiled, machine, prepared

from idc.data import cache
from idc.data.split import RealData, Split
from idc.shapes import Indices
from idc.stages.datasets.image_folder import ImageFolder
from idc_cli.allocator import keep_freed_memory

BATCH = 64
ROUNDS = 15


def linked(images: Path, folder: Path, count: int, classes: int) -> None:
    """``count`` links to some images, in folders of classes of a training and a small test split."""
    sources = cycle(sorted(path for path in images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")))
    for split, images_of_split in (("train", count), ("test", classes)):
        for number in range(images_of_split):
            path = folder / split / f"class-{number % classes:03d}" / f"{number:07d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.symlink_to(next(sources).absolute())


def peak() -> int:
    """The largest resident size of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def forget(file: Path) -> None:
    """Drop a file from the kernel's memory."""
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def median(work: Callable[[], object]) -> float:
    """Seconds that calling takes."""
    taken: list[float] = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def batches(split: Split) -> Callable[[], Indices]:
    """Random batches of a class, of a next one each time."""
    labels, generator = cycle(range(len(split.spec.classes))), torch.Generator().manual_seed(0)

    def draw() -> Indices:
        members = split.members[next(labels)]
        return members[torch.randperm(len(members), generator=generator)[:BATCH]]

    return draw


def match_seconds(data: RealData) -> float:
    """Seconds for one class, compiled, by the inner step of two of them."""
    names = data.spec.classes[:2]
    spec = data.spec.model_copy(update={"classes": names})
    kept = torch.cat(data.train.members[:2])
    few = data.train.at(kept)
    split = Split(few.pixels, few.labels, spec)
    plan = compiled("imagenet-10-ipc10-idc", changes={"networks.warmup_epochs": 0, "init": {"type": "noise"}})
    condensation, network = prepared(plan, split, torch.device("cpu"))
    condensation.group.inner_step(network, 0)
    taken: list[float] = []
    for step in range(1, 4):
        began = time.perf_counter()
        condensation.group.inner_step(network, step)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) / len(names)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=130_000)
    parser.add_argument("--classes", type=int, default=100)
    given = parser.parse_args()
    os.environ[cache.VARIABLE] = str(given.work / "cache")
    keep_freed_memory()
    linked(given.images, given.work / "images", given.count, given.classes)
    print(machine(torch.device("cpu")), platform.system())

    dataset = ImageFolder(path=given.work / "images", size=224)
    before, began = peak(), time.perf_counter()
    data = dataset.load(Path())
    seconds = time.perf_counter() - began
    size = data.train.pixels.nbytes
    print(f"{len(data.train):,} images in {len(data.spec.classes)} classes, {size / 1e9:.1f} GB as bytes")
    print(f"read once: {seconds:.0f} s, {1e3 * seconds / len(data.train):.2f} ms an image")
    print(f"peak memory beyond the interpreter while reading: {(peak() - before) / 1e9:.2f} GB")
    began = time.perf_counter()
    data = dataset.load(Path())
    print(f"found again: {time.perf_counter() - began:.1f} s")

    (entry,) = cache.entries()
    forget(entry.path)
    draw = batches(data.train)
    cold = median(lambda: data.train.at(draw()))
    some = [draw() for _ in range(ROUNDS)]
    for each in some:
        data.train.at(each)
    again = iter(some)
    warm = median(lambda: data.train.at(next(again)))
    match = match_seconds(data)
    print(
        f"a batch of {BATCH} of a class from the disk: {1e3 * cold:.1f} ms, {cold / match:.4f} of its match"
    )
    print(
        f"a batch of {BATCH} of a class from memory:   {1e3 * warm:.1f} ms, {warm / match:.4f} of its match"
    )
    print(f"the match of a class:                     {1e3 * match:.0f} ms")


if __name__ == "__main__":
    main()
