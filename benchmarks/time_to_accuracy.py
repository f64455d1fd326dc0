"""How soon is a synset good? IDC's public code and our recipe, on the same data, model, numbers and machine.

    uv run python benchmarks/time_to_accuracy.py --reference PATH_TO_CHECKOUT --data DIR --minutes 60

``PATH`` is a checkout of github.com/snu-mllab/Efficient-Dataset-Condensation; ``DIR`` holds FashionMNIST and
cifar10_jpg. Every run is a process alone on the machine. Its clock starts when the data are in memory and
counts everything after that: initial codes, compiling, networks trained first. Synsets are saved at some
minutes and scored afterwards by one protocol, ``idc-2022`` with fewer epochs, after the last epoch. Finished
runs and scores are not repeated: synsets are kept in ``--out``, scores in results/time_to_accuracy.jsonl.

- ``public-code``: its loop with its published settings, in float32, which is all it has, with all threads and
  with our settings of the allocator, which make it faster.
- ``fast``: pipelines/DATASET-ipcN-fast.toml, with nothing in any cache.
- ``fast-again``: as ``fast`` with another seed, after it: networks and graphs are found in the cache.
- any other: as ``fast``, with benchmarks/levers/METHOD.toml laid over it. To compare many, give each one
  thread (``--threads 1``) and run two of these commands side by side, each on a core (``taskset``).
"""

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from methods import summary

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PRESETS = HERE.parent / "pipelines"
DATASETS: dict[str, tuple[str, dict[str, Any]]] = {
    "fashion-mnist": ("fashion-mnist", {}),
    "cifar10-jpeg": ("cifar10", {"dataset": {"type": "image-folder", "path": "cifar10_jpg"}}),
}
"""Name → beginning of its presets' names, and what is changed in them."""
LEVERS = HERE / "levers"
AGAIN = "fast-again"
METHODS = ("public-code", "fast", AGAIN)
MINUTES = (1.0, 2.0, 5.0, 6.0, 10.0, 20.0, 40.0, 60.0)
EPOCHS = {1: 300, 10: 100}
"""Images per class → epochs of each network that scores."""

PUBLIC: dict[str, dict[str, Any]] = {
    "fashion-mnist": {
        "dataset": "fashion", "nch": 1, "size": 28,
        "metric": "l1", "n_data": 500, "lr_img": 1e-4 * (28 / 32) ** 2,
    },
    "cifar10-jpeg": {"lr_img": 5e-3},
}  # fmt: skip
"""What the public code's ``--reproduce`` sets; its learning rate for 10 images per class."""
INNER_LOOP, MOMENTUM = 100, 0.5


class Run(NamedTuple):
    """One condensation."""

    method: str
    dataset: str
    images_per_class: int
    minutes: float
    reference: Path | None
    data: Path
    out: Path
    device: str
    threads: int

    @property
    def name(self) -> str:
        """Of its synsets."""
        return f"{self.dataset}-ipc{self.images_per_class}-{self.method}"

    def file(self, minute: float) -> Path:
        """Where the synset of a minute is saved."""
        return self.out / f"{self.name}-{minute:g}.safetensors"

    @property
    def marks(self) -> list[float]:
        """Minutes at which a synset is saved."""
        return [each for each in MINUTES if each <= self.minutes]


class OverError(Exception):
    """All synsets of a run are saved."""


class Clock:
    """Saves a synset at every minute that is due."""

    def __init__(self, run: Run, synset: Callable[[float], Any]) -> None:
        self._run, self._synset = run, synset
        self._left = run.marks
        self._began = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether all are saved."""
        return not self._left

    def end_if_over(self) -> None:
        """Save what is due.

        Raises:
            OverError: all are saved.
        """
        self.tick()
        if self.over:
            raise OverError

    def tick(self) -> None:
        """Save what is due."""
        now = time.monotonic()
        while self._left and now - self._began >= 60 * self._left[0]:
            minute = self._left.pop(0)
            self._synset(now - self._began).save(self._run.file(minute))
            print(f"{self._run.name}: {minute:g} minutes", flush=True)


def pipeline(run: Run, preset: str) -> Any:
    """A preset with the run's data, and with more iterations than there is time."""
    from idc.config.extends import read_table
    from idc.config.pipeline import Pipeline
    from idc.table import merged

    prefix, changes = DATASETS[run.dataset]
    table = read_table(PRESETS / f"{prefix}-ipc{run.images_per_class}-{preset}.toml")
    if run.method not in METHODS and preset == "fast":
        table = merged(table, read_table(LEVERS / f"{run.method}.toml"))
    return Pipeline.parse(merged(merged(table, changes), {"iterations": 10**9, "method": run.method}))


def condense_ours(run: Run) -> None:
    """Condense by our recipe."""
    from idc import condense

    plan = pipeline(run, "fast").override({"seed": int(run.method == AGAIN)})
    real = plan.dataset.load(run.data)
    clock = Clock(run, lambda seconds: condensation.synset(seconds, labelled=False))
    condensation = condense(plan, real, device=run.device)
    with suppress(OverError):
        condensation.pretrain(lambda fraction: clock.end_if_over())
        while True:
            next(condensation)
            clock.end_if_over()


def condense_publicly(run: Run) -> None:
    """Condense by the loop of IDC's public code."""
    import torch
    from reference import Reference, quiet

    from idc.synset.synset import Synset

    assert run.reference is not None
    plan = pipeline(run, "idc")
    real = plan.dataset.load(run.data)
    per_class = run.images_per_class
    peer = Reference(run.reference, run.device, ipc=per_class, **PUBLIC[run.dataset])
    given, spec = peer.arguments, real.spec
    loader = peer.loader(real.train.images(), real.train.labels)

    def synset(seconds: float) -> Any:
        codes = codes_of.data.detach().unflatten(0, (given.nclass, per_class)).clamp(0, 1).cpu()
        return Synset.of(
            plan,
            {"images": codes},
            spec,
            iterations=steps // INNER_LOOP,
            fingerprint=real.train.fingerprint(),
            seconds=seconds,
        )

    steps, clock = 0, Clock(run, synset)
    shape = (given.nclass, per_class, given.nch, given.size, given.size)
    codes_of = peer.synset(torch.zeros(shape))
    with quiet():
        codes_of.init(loader, init_type="mix")
    augment, augment_each = peer.augmentations()
    step_codes = torch.optim.SGD(codes_of.parameters(), lr=given.lr_img * per_class / 10, momentum=MOMENTUM)
    while True:
        network = peer.network()
        step_network = peer.sgd(network)
        codes_of.data.data.clamp_(0, 1)
        for _ in range(INNER_LOOP):
            peer.sweep(loader, codes_of, network, step_codes, augment)
            peer.update(loader, network, step_network, augment_each, given.n_data)
            steps += 1
            clock.tick()
            if clock.over:
                return


def condense_alone(run: Run) -> None:
    """Condense in this process, which does nothing else."""
    # Named before torch is imported; one for each run, because a pool serves several.
    caches = run.out / "caches" / run.name.removesuffix("-again")
    if run.method != AGAIN:
        # What an interrupted run has left.
        shutil.rmtree(caches, ignore_errors=True)
    os.environ |= {"IDC_CACHE": str(caches / "idc"), "TORCHINDUCTOR_CACHE_DIR": str(caches / "graphs")}
    import torch

    from idc_cli.allocator import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(run.threads)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    (condense_publicly if run.method == "public-code" else condense_ours)(run)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def known(lines: Path) -> list[dict[str, Any]]:
    """All scores so far."""
    return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []


def score(run: Run, minutes: Sequence[float], lines: Path, networks: int, epochs: int) -> None:
    """Score the run's synsets of some minutes that have no line yet."""
    import torch

    from idc.experiment.score import evaluate
    from idc.synset.synset import Synset

    # However many the run had: scoring is not timed.
    torch.set_num_threads(cores())
    plan = pipeline(run, "idc").override({"precision": "auto", "compile": True})
    retrain = {"type": "retrain", "protocol": "idc-2022", "runs": networks, "epochs": epochs}
    plan = plan.override({"evaluate": [retrain]})
    real = plan.dataset.load(run.data)
    done = {(line["run"], line["minutes"], line["tensors"], line["epochs"]) for line in known(lines)}
    for minute in minutes:
        synset = Synset.load(run.file(minute))
        if (run.name, minute, synset.header.tensors, epochs) in done:
            continue
        (found,) = evaluate(synset, real, plan, device=run.device)
        line = {
            "run": run.name,
            "minutes": minute,
            "seconds": synset.header.seconds,
            "iterations": synset.header.iterations,
            "accuracies": [round(value, 2) for value in found.values],
            "numbers": synset.header.budget,
            "tensors": synset.header.tensors,
            "epochs": epochs,
            "machine": _machine(run),
        }
        with lines.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{run.name}, {minute:g} minutes: {summary(found.values)}", flush=True)


def runs(given: argparse.Namespace) -> Iterator[Run]:
    """All runs, in the order in which they are made."""
    for images_per_class in given.ipc:
        for dataset in given.datasets:
            for method in given.methods:
                yield Run(
                    method,
                    dataset,
                    images_per_class,
                    given.minutes,
                    given.reference,
                    given.data,
                    given.out,
                    given.device,
                    given.threads,
                )


def compute(given: argparse.Namespace) -> None:
    """Make the runs that are not complete, and score them."""
    given.out.mkdir(parents=True, exist_ok=True)
    # Not forked: torch's threads do not survive it.
    context = multiprocessing.get_context("spawn")
    for run in runs(given):
        if not all(run.file(minute).exists() for minute in run.marks):
            _in_a_process(context.Process(target=condense_alone, args=(run,)), run)
        # At once, so that an interrupted command has something to show.
        epochs = given.epochs or EPOCHS[run.images_per_class]
        minutes = [minute for minute in run.marks if minute in (given.scored or MINUTES)]
        scoring = (run, minutes, given.lines, given.networks, epochs)
        _in_a_process(context.Process(target=score, args=scoring), run)


def _in_a_process(process: BaseProcess, run: Run) -> None:
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{run.name}: its process ended with {process.exitcode}")


def table(lines: list[dict[str, Any]]) -> None:
    """Print the scores of all runs."""
    for machine, here in _by_machine(lines).items():
        print(f"{machine}; accuracy in percent after the last epoch")
        minutes = sorted({line["minutes"] for line in here})
        print("\n" + f"{'minutes':<36}{'epochs':>6}" + "".join(f"{minute:>12g}" for minute in minutes))
        for (name, epochs), scores in sorted(_by_run(here).items()):
            cells = (scores.get(minute) for minute in minutes)
            print(
                f"{name:<36}{epochs:>6}"
                + "".join(f"{summary(cell['accuracies']) if cell else '-':>12}" for cell in cells)
            )
        print("\nhashes of the synsets' tensors")
        # Once for all the ways in which a synset is scored.
        synsets = {(line["run"], line["minutes"]): line for line in here}
        for _, line in sorted(synsets.items()):
            steps = f"{line['iterations']:>8} iterations"
            print(f"{line['run']:<36}{line['minutes']:>4g} min {steps}  {line['tensors']}")
        print()


def plot(lines: list[dict[str, Any]], file: Path) -> None:
    """Accuracy against minutes, as a picture."""
    from matplotlib.figure import Figure

    kinds = dict.fromkeys(line["run"].rpartition("-ipc")[0] for line in lines)
    sizes = dict.fromkeys(line["run"].rpartition("-ipc")[2].partition("-")[0] for line in lines)
    figure = Figure(figsize=(4.5 * len(sizes), 3.2 * len(kinds)), layout="constrained")
    axes = figure.subplots(len(kinds), len(sizes), squeeze=False)
    for row, kind in enumerate(kinds):
        for column, size in enumerate(sizes):
            axis, start = axes[row][column], f"{kind}-ipc{size}-"
            shown = [line for line in lines if line["run"].startswith(start)]
            for machine, here in _by_machine(shown).items():
                threads = machine.rpartition(", ")[2]
                for (name, epochs), scores in _by_run(here).items():
                    values = [line["accuracies"] for line in scores.values()]
                    means, spreads = map(statistics.fmean, values), map(_spread, values)
                    label = f"{name.removeprefix(start)}, {epochs} epochs, {threads}"
                    axis.errorbar(list(scores), list(means), list(spreads), marker="o", label=label)
            axis.set(title=f"{kind}, {size} per class", xlabel="minutes", ylabel="accuracy, %", xscale="log")
            minutes = sorted({line["minutes"] for line in shown})
            axis.set_xticks(minutes, [f"{minute:g}" for minute in minutes])
            axis.minorticks_off()
            if axis.has_data():
                axis.legend()
    figure.savefig(file, dpi=120)


def _by_machine(lines: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(line["machine"], []).append(line)
    return found


def _by_run(lines: list[dict[str, Any]]) -> dict[tuple[str, int], dict[float, dict[str, Any]]]:
    """By name and epochs, then by minute."""
    found: dict[tuple[str, int], dict[float, dict[str, Any]]] = {}
    for line in sorted(lines, key=lambda each: each["minutes"]):
        found.setdefault((line["run"], line["epochs"]), {})[line["minutes"]] = line
    return found


def _spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _machine(run: Run) -> str:
    import torch

    where = torch.cuda.get_device_name(run.device) if run.device == "cuda" else _processor()
    return f"torch {torch.__version__}, {where}, {run.threads} threads"


def _processor() -> str:
    """The model, family and number formats of the CPU, because virtual machines of one kind differ."""
    try:
        told = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in told)}
    formats = [
        each
        for each in ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        if each in facts.get("flags", "").split()
    ]
    model = f"{facts.get('model name')} family {facts.get('cpu family')} model {facts.get('model')}"
    return f"{model}, {' '.join(formats)}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--minutes", type=float, default=60.0, help="of each run")
    parser.add_argument("--out", type=Path, default=Path("runs/time-to-accuracy"))
    parser.add_argument("--datasets", nargs="*", choices=tuple(DATASETS), default=list(DATASETS))
    parser.add_argument("--ipc", nargs="*", type=int, choices=tuple(EPOCHS), default=list(EPOCHS))
    methods = (*METHODS, *sorted(file.stem for file in LEVERS.glob("*.toml")))
    parser.add_argument("--methods", nargs="*", choices=methods, default=list(METHODS))
    parser.add_argument("--threads", type=int, default=cores(), help="of each run")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--lines", type=Path, default=RESULTS / "time_to_accuracy.jsonl", help="the scores")
    parser.add_argument("--networks", type=int, default=3, help="that score a synset")
    parser.add_argument("--epochs", type=int, help="of each of them")
    parser.add_argument("--scored", nargs="*", type=float, help="minutes whose synsets are scored; else all")
    parser.add_argument("--table", action="store_true", help="only print and draw what is scored already")
    given = parser.parse_args()
    if not given.table:
        if "public-code" in given.methods and given.reference is None:
            parser.error(
                "--reference: give a checkout of IDC's public code, or leave public-code out of --methods"
            )
        compute(given)
    lines = known(given.lines)
    table(lines)
    if find_spec("matplotlib") is None:
        print("no picture: matplotlib is not installed")
    else:
        plot(lines, given.lines.with_suffix(".png"))


if __name__ == "__main__":
    main()
