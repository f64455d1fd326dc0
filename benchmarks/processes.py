"""A run divided over processes: the same bits, the speed, what is not divided, memory, and a large run.

    uv run python benchmarks/processes.py | tee benchmarks/results/processes.txt
    uv run python benchmarks/processes.py speed memory | tee -a benchmarks/results/processes.txt

Each figure is from processes of its own, started as ``idc run --processes`` starts them and joined through
a file. They meet before every clock starts, and the slowest of them counts. Imports, loading the data and a
short run to warm up come before. ``--try`` has the smallest sizes, to see that it works; its figures mean
nothing.
"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
import torch.distributed as dist
from cases import CIFAR10, PRESETS, colour_images, random_images

from idc.condensation import checkpoint
from idc.condensation.inner_step import Matching
from idc.condensation.loop import condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.experiment.estimate import estimate
from idc.experiment.score import baselines, evaluate, evaluate_all
from idc.kinds import ImageSpec, Tensors
from idc.runtime.place import FILE
from idc.runtime.processes import Processes
from idc.runtime.rendezvous import joined
from idc.testing.toy import Tinted
from idc_cli.allocator import keep_freed_memory

Job = dict[str, Any]
"""What the processes of a group are told to do, as JSON."""

LONGEST = 400
"""Seconds after which a process ends wherever it hangs."""

CORES = len(os.sched_getaffinity(0))
SIZES = {"quick start": 3, "cifar10": 3}
"""Rounds of the comparison of speed, by size."""


# What the processes compute.


RAW = {"decoder": {"type": "raw"}, "init": {"type": "random"}}
METHODS: dict[str, Job] = {
    "IDC": {},
    "IDC, bound": {
        "images_per_class": 2,
        "decoder.mode": "bound",
        "decoder.bound": 6,
        "sampler.max_synthetic": 5,
    },
    "DC": {
        **RAW,
        "networks": {"type": "synthetic", "epochs": 5},
        "objective.metric": "cos",
        "optimizer.step": "joint",
    },
    "DM": {
        **RAW,
        "networks": {"type": "frozen"},
        "objective": {"type": "feature"},
        "optimizer.step": "joint",
    },
    "shared codes": {"init": {"type": "random"}},
}


def bits(processes: Processes, job: Job) -> Job:
    """Hashes of the codes and of the scores of each method."""
    found: Job = {}
    settings = {"iterations": 3, "inner_steps": 3, "baseline": [], "evaluate.0.epochs": 5}
    for name, changes in METHODS.items():
        plan = _preset("digits").override({**settings, **changes, **_smallest(job)})
        if name == "shared codes":
            plan = plan.model_copy(update={"decoder": Tinted()})
        data = plan.dataset.load(Path("data"))
        run = condense(plan, data, device="cpu", processes=processes)
        losses = [float(step.loss) for step in run]
        synset = run.synset()
        scores = [each.values for each in evaluate(synset, data, plan, device="cpu", processes=processes)]
        found[name] = [_hash(synset.codes), hashlib.sha256(repr((losses, scores)).encode()).hexdigest()]
    return found


def _hash(tensors: Tensors) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def _preset(name: str) -> Pipeline:
    return Pipeline.load(PRESETS / f"{name}.toml")


def _smallest(job: Job) -> Job:
    """Changes of a preset for ``--try``."""
    changes = {"model.width": 8, "iterations": 2, "inner_steps": 2, "evaluate.0.epochs": 2}
    return changes if job["try"] else {}


def _sized(job: Job) -> tuple[Pipeline, RealData]:
    """The pipeline and the data of a size."""
    if job["size"] == "quick start":
        plan = _preset("digits").override(_smallest(job))
        return plan, plan.dataset.load(Path("data"))
    # Numbers of networks that can be dealt evenly, as the thousands of a real run.
    changes = {
        "iterations": job["iterations"],
        "inner_steps": 2,
        "compile": job["compile"],
        "baseline": [],
        "evaluate.0.runs": 4,
        "evaluate.0.epochs": 2,
    }
    # Nothing to learn from, so that every score is about 10 %.
    split = random_images(colour_images(8 if job["try"] else 32), 300)
    test = split.at(torch.arange(0, len(split), 6))
    return _preset(CIFAR10).override({**changes, **_smallest(job)}), RealData(split, test)


def timed(processes: Processes, job: Job) -> Job:
    """Seconds of preparing, condensing and scoring, and of what they consist of in this process."""
    plan, data = _sized(job)
    clock = Clock()
    for owner, name, part in (
        (type(plan.networks), "start", "networks"),
        (type(plan.networks), "train", "networks"),
        (type(plan.evaluate[0]), "score", "networks"),
        (Matching, "__call__", "matching"),
        (Processes, "_exchange", "exchanging"),
        (Processes, "meet", "exchanging"),
        (Processes, "beat", "exchanging"),
    ):
        clock.watch(owner, name, part)
    count = {"iterations": processes.count, "evaluate.0.runs": processes.count}
    short = {"inner_steps": 2, "networks.images": 1, "evaluate.0.epochs": 1, "baseline": []}
    _phases(plan.override({**count, **short}), data, processes, clock)
    return _phases(plan, data, processes, clock)


def _phases(plan: Pipeline, data: RealData, processes: Processes, clock: "Clock") -> Job:
    found: Job = {}

    @contextmanager
    def phase(name: str) -> Iterator[None]:
        processes.meet()
        clock.read()
        yield
        found[name] = clock.read()

    with phase("preparing"):
        run = condense(plan, data, device="cpu", processes=processes)
    with phase("condensing"):
        for _ in run:
            pass
        synset = run.synset()
    with phase("drawing baselines"):
        synsets = [*baselines(plan, data, device="cpu", processes=processes), synset]
    with phase("scoring"):
        for _ in evaluate_all(synsets, data, plan, device="cpu", processes=processes):
            pass
    return found


class Clock:
    """Seconds of this process by part; those of a part within another are counted once."""

    def __init__(self) -> None:
        self._seconds = defaultdict[str, float](float)
        self._within, self._since = ["everything else"], time.perf_counter()

    def watch(self, owner: type, name: str, part: str) -> None:
        """Count what a method takes as a part."""
        method = getattr(owner, name)

        @wraps(method)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._credit()
            self._within.append(part)
            try:
                return method(*args, **kwargs)
            finally:
                self._credit()
                self._within.pop()

        setattr(owner, name, watched)

    def read(self) -> dict[str, float]:
        """The seconds since the last reading."""
        self._credit()
        seconds, self._seconds = self._seconds, defaultdict[str, float](float)
        return dict(seconds)

    def _credit(self) -> None:
        now = time.perf_counter()
        self._seconds[self._within[-1]] += now - self._since
        self._since = now


def estimated(processes: Processes, job: Job) -> Job:
    """What `idc estimate --processes` says, from steps of this process."""
    plan, data = _sized(job)
    found = estimate(condense(plan, data, device="cpu"), trial=True, processes=job["count"])
    return {
        "condensing": found.condense_seconds,
        "scoring": found.evaluate_seconds,
        "undivided": found.undivided_seconds,
    }


def _many_codes(job: Job) -> tuple[Pipeline, RealData]:
    """DM of 100 classes of colour images, whose codes take 98 MB, and so do each copy and each buffer."""
    settings = {"images_per_class": 20, "iterations": 2, "init": {"type": "noise"}, "model.width": 16}
    plan = _preset("cifar10-ipc10-dm").override({**settings, "sampler.batch_size": 16, "compile": False})
    split = random_images(colour_images(16 if job["try"] else 64, 10 if job["try"] else 100), 16)
    return plan, RealData(split, split.at(torch.arange(10)))


def _many_classes(job: Job) -> tuple[Pipeline, RealData]:
    """IDC of 1,000 classes of small grey images, with a small network."""
    plan = _preset("digits").override(
        {
            "images_per_class": 10,
            "iterations": 2,
            "inner_steps": 2,
            "compile": False,
            "augment": [],
            "model.width": 8,
            "model.depth": 2,
            "sampler.batch_size": 8,
            "sampler.max_synthetic": 16,
            "networks.images": 256,
            "baseline": [],
        }
    )
    names = tuple(f"class {label}" for label in range(20 if job["try"] else 1000))
    spec = ImageSpec(channels=1, height=16, width=16, classes=names, mean=(0.5,), std=(0.25,))
    split = random_images(spec, 40)
    return plan, RealData(split, split.at(torch.arange(10)))


def large(processes: Processes, job: Job) -> Job:
    """Memory, what is exchanged, and the checkpoint of a run with big codes or with many classes."""
    plan, data = (_many_codes if job["case"] == "codes" else _many_classes)(job)
    received = Received(processes)
    found: Job = {"loaded": _resident("VmRSS"), "private": _resident("RssAnon")}

    def peak(name: str) -> None:
        found[name] = _resident("VmHWM")
        # Of Linux's proc(5): from now on.
        Path("/proc/self/clear_refs").write_text("5")

    run = condense(plan, data, device="cpu", processes=processes)
    peak("preparing")
    processes.meet()
    received.calls, received.bytes = 0, 0
    began = time.perf_counter()
    for _ in run:
        pass
    found["seconds"] = (time.perf_counter() - began) / len(run)
    found |= {"calls": received.calls / len(run), "bytes": received.bytes / len(run)}
    peak("stepping")
    found["codes"] = sum(code.nbytes for group in run.groups for code in group.codes.values())
    file = Path(os.environ[FILE]).parent / "checkpoint.safetensors"
    # The first one hashes the data, which is done once in a run.
    for _ in range(2):
        processes.meet()
        began = time.perf_counter()
        checkpoint.save(file, run, 0.0)
        found["saving seconds"] = time.perf_counter() - began
    peak("saving")
    processes.meet()
    found["checkpoint"] = file.stat().st_size
    # Not getrusage's, which that reset too.
    found["peak"] = max(found[name] for name in ("preparing", "stepping", "saving"))
    return found


def _resident(which: Literal["VmRSS", "VmHWM", "RssAnon"]) -> int:
    """Bytes that are resident now, at most since that was reset, or now and not of files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(which))


class Received:
    """Counts the calls of torch.distributed and the bytes that this process gets from the others."""

    def __init__(self, processes: Processes) -> None:
        self.calls, self.bytes = 0, 0
        for name, size in (
            ("all_gather", lambda parts, own, *rest: sum(part.nbytes for part in parts) - own.nbytes),
            ("gather", lambda own, parts, *rest: sum(part.nbytes for part in parts or [own]) - own.nbytes),
            ("broadcast", lambda block, source, *rest: block.nbytes * (source != processes.rank)),
            ("all_reduce", lambda block, *rest: block.nbytes),
        ):
            setattr(dist, name, partial(self._call, getattr(dist, name), size))

    def _call(self, function: Callable[..., Any], size: Callable[..., int], *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        self.bytes += size(*args)
        return function(*args, **kwargs)


# How they are started.


JOBS: dict[str, Callable[[Processes, Job], Job]] = {
    "bits": bits,
    "timed": timed,
    "estimated": estimated,
    "large": large,
}


def be_one_of_them(job: Job) -> None:
    """Do a job in this process, and print what it returns."""
    signal.alarm(LONGEST)
    imported = time.monotonic()
    keep_freed_memory()
    with joined(timedelta(seconds=LONGEST)) as processes:
        ready = time.monotonic()
        found = JOBS[job["do"]](processes, job)
        print(json.dumps({**found, "importing": imported - job["began"], "joining": ready - imported}))
        # A process that goes takes its store along.
        processes.meet()


def together(count: int, threads: int, job: Job, **environment: str) -> list[Job]:
    """What each of several processes returns for a job, by rank; exits if one fails."""
    with TemporaryDirectory(prefix="idc-benchmark-") as folder:
        shared = {"WORLD_SIZE": str(count), FILE: str(Path(folder) / "rendezvous"), **environment}
        shared["OMP_NUM_THREADS"] = str(threads)
        words = [sys.executable, __file__, "--job", json.dumps({**job, "began": time.monotonic()})]
        running = [
            subprocess.Popen(
                words,
                env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        try:
            while any(each.poll() is None for each in running) and not any(
                each.returncode for each in running
            ):
                time.sleep(0.05)
        finally:
            for each in running:
                each.kill()
        printed = [each.communicate()[0] for each in running]
    if any(each.returncode for each in running):
        sys.exit(f"{job}: of {count} processes one ended with {[each.returncode for each in running]}")
    return [json.loads(each) for each in printed]


# What is printed.


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(*names: str) -> None:
    row(*names)
    print("|" + "---|" * len(names), flush=True)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median, and the smallest and largest."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def whole(processes: Sequence[Job], phase: str) -> float:
    """Seconds of a phase in the slowest process."""
    return max(sum(each[phase].values()) for each in processes)


def show_bits(given: argparse.Namespace) -> None:
    print("Hashes of codes, and of losses and scores; digits, one thread in each process\n")
    counts = (1, 2, 3, 4)
    found = {count: together(count, 1, {"do": "bits", "try": given.smallest}) for count in counts}
    head("method", "codes", "losses and scores", *(f"{count} processes" for count in counts[1:]))
    for name in METHODS:
        alone = found[1][0][name]
        same = [all(each[name] == alone for each in found[count]) for count in counts[1:]]
        row(name, *(each[:12] for each in alone), *("same" if each else "differs" for each in same))


def show_speed(given: argparse.Namespace) -> None:
    how = {"A": (1, 1), "B": (1, 2), "C": (2, 1)}
    print("A: one process of one thread; B: one process of two threads; C: two processes of one thread")
    print("Seconds, in alternating rounds; medians (smallest to largest) at the end")
    for size, usual in SIZES.items():
        rounds = given.rounds or usual
        job = {"do": "timed", "try": given.smallest, "size": size, "compile": given.compile, "iterations": 2}
        print(f"\n{_said(size, job)}\n")
        head("round", "", "condensing", "scoring", "both", "importing", "joining")
        taken: dict[str, dict[str, list[float]]] = {name: {} for name in how}
        for number in range(rounds):
            for name, (count, threads) in how.items():
                found = together(count, threads, job)
                seconds = {phase: whole(found, phase) for phase in ("condensing", "scoring")}
                seconds["both"] = sum(seconds.values())
                seconds |= {each: max(one[each] for one in found) for each in ("importing", "joining")}
                for phase, value in seconds.items():
                    taken[name].setdefault(phase, []).append(value)
                row(number + 1, name, *(f"{value:.2f}" for value in seconds.values()))
        for name, phases in taken.items():
            row(f"n = {rounds}", name, *map(spread, phases.values()))
        for name in "AB":
            ratios = (
                [one / other for one, other in zip(taken[name][phase], taken["C"][phase], strict=True)]
                for phase in ("condensing", "scoring", "both")
            )
            row(f"n = {rounds}", f"{name} / C", *map(spread, ratios), "", "")


def _said(size: str, job: Job) -> str:
    plan, data = _sized(job)
    return (
        f"{size}: {plan.iterations} iterations of {plan.inner_steps} inner steps, {plan.model.label()}, "
        f"{len(data.train)} images of {data.spec.channels}x{data.spec.height}x{data.spec.width}, "
        f"compile = {str(plan.compile).lower()}"
    )


def show_amdahl(given: argparse.Namespace) -> None:
    print("Seconds of each process of one thread; exchanging includes waiting for the others")
    print(f"4 processes share {CORES} cores; idc estimate supposes that each has one")
    for size in SIZES:
        job = {"try": given.smallest, "size": size, "compile": given.compile, "iterations": 4}
        print(f"\n{_said(size, job)}\n")
        parts = ("networks", "matching", "exchanging", "everything else")
        head("phase", "processes", "rank", *parts, "whole")
        found: dict[int, list[Job]] = {}
        for count in (1, 2, 4):
            found[count] = together(count, 1, {"do": "timed", **job})
            for phase in ("preparing", "condensing", "drawing baselines", "scoring"):
                if whole(found[count], phase) < 0.01:
                    continue
                for rank, each in enumerate(found[count]):
                    seconds = [each[phase].get(part, 0.0) for part in parts]
                    row(phase, count, rank, *(f"{value:.2f}" for value in (*seconds, sum(seconds))))
        print()
        said = {count: together(1, 1, {"do": "estimated", "count": count, **job})[0] for count in found}
        head("phase", "processes", "estimate", f"estimate on {CORES} cores", "measured (n = 1)", "ratio")
        for phase in ("condensing", "scoring"):
            for count in found:
                expected = said[count][phase]
                shared = expected * max(1.0, count / CORES)
                measured = whole(found[count], phase)
                row(
                    phase,
                    count,
                    *(f"{value:.2f}" for value in (expected, shared, measured, measured / shared)),
                )
        print(f"\nundivided by the estimate: {said[1]['undivided']:.2f} s")
        for phase in ("condensing", "scoring"):
            one, two = whole(found[1], phase), whole(found[2], phase)
            print(
                f"undivided by Amdahl's law for 1 and 2 processes: {2 * two - one:.2f} of {one:.2f} s {phase}"
            )


def show_memory(given: argparse.Namespace) -> None:
    job = {"do": "large", "case": "codes", "try": given.smallest}
    plan, data = _many_codes(job)
    print(f"Memory, MB: {_large_said(plan, data)}")
    print("Loaded are torch, idc and the data, of which processes share all but what is private; then the")
    print("largest resident size in each phase\n")
    names = ("codes", "loaded", "private", "preparing", "stepping", "saving", "peak")
    head("allocator", "processes", "rank", *names)
    for allocator in ("system", "keep"):
        for count in (1, 2, 4):
            for rank, each in enumerate(together(count, 1, job, IDC_ALLOCATOR=allocator)):
                row(allocator, count, rank, *(f"{each[name] / 1e6:.0f}" for name in names))


def show_large(given: argparse.Namespace) -> None:
    job = {"do": "large", "case": "classes", "try": given.smallest}
    plan, data = _many_classes(job)
    print(f"A large run: {_large_said(plan, data)}")
    print("Seconds are the mean of all inner steps; calls and bytes are those that a rank receives in one\n")
    head(
        *("processes", "rank", "s/step", "calls/step", "kB/step", "codes, MB", "loaded, MB", "largest, MB"),
        *("checkpoint, MB", "saving, s"),
    )
    for count in (1, 2, 4):
        for rank, each in enumerate(together(count, 1, job)):
            megabytes = (f"{each[name] / 1e6:.1f}" for name in ("codes", "loaded", "peak", "checkpoint"))
            exchanged = f"{each['calls']:.1f}", f"{each['bytes'] / 1e3:.1f}"
            row(
                count, rank, f"{each['seconds']:.2f}", *exchanged, *megabytes, f"{each['saving seconds']:.2f}"
            )


def _large_said(plan: Pipeline, data: RealData) -> str:
    shape = f"{data.spec.channels}x{data.spec.height}x{data.spec.width}"
    return (
        f"{plan.method}, {len(data.spec.classes)} classes of {shape}, "
        f"{plan.images_per_class} images per class, "
        f"{plan.model.label()}, {plan.iterations * plan.inner_steps} steps, one thread in each process"
    )


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "bits": show_bits,
    "speed": show_speed,
    "amdahl": show_amdahl,
    "memory": show_memory,
    "large": show_large,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--rounds", type=int, help="of the comparison of speed")
    parser.add_argument("--compile", action="store_true", help="the steps at CIFAR-10's size")
    parser.add_argument("--try", action="store_true", dest="smallest", help="the smallest sizes")
    parser.add_argument("--job", type=json.loads, help="be one of the processes, and print JSON")
    given = parser.parse_args()
    if given.job:
        be_one_of_them(given.job)
        return
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(unknown)}")
    load = f"load {os.getloadavg()[0]:.1f}"
    print(f"{platform.machine()}, {CORES} cores, torch {torch.__version__}, {load}: {shlex.join(sys.argv)}")
    for part in given.parts or PARTS:
        began = time.perf_counter()
        print(f"\n## {part}\n")
        PARTS[part](given)
        print(f"\n{part} took {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
