"""Decoders, objectives, samplers, networks and labels at equal data, stored numbers and CPU time.

    uv run python benchmarks/methods.py pools --data DIR   # once: the pools, whose time is printed apart
    uv run python benchmarks/methods.py run --data DIR     # appends a line for each score to methods.jsonl
    uv run python benchmarks/methods.py table | tee benchmarks/results/methods.txt
    uv run python benchmarks/methods.py plot               # accuracy against CPU seconds: methods.png

``DIR`` holds FashionMNIST and cifar10_jpg. Each run is a process of one thread; two run side by side. It
condenses for a number of CPU seconds of its own (initial codes and fits included, the pool not), whatever a
step costs, and trains one network on the result under one protocol. Scores are those of the last epoch.
Finished runs are not repeated.
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
LINES = HERE / "results" / "methods.jsonl"
TABLES = HERE / "methods"
DATASETS = ("fashion-mnist", "cifar10-jpeg")
BUDGETS = {1: 6.0, 10: 9.0}
"""Images per class → CPU seconds of condensing."""
SEEDS = (0, 1, 2)
CURVE = (0.25, 0.5)
"""Fractions of the time at which the first seed's synsets of the plot are scored too."""

DECODERS = ("raw", "multiformation", "mirror", "fred", "ddif", "gsdd")
OBJECTIVES = ("gradient", "feature", "dance", "ncfm")
BESIDE = ("dance", "multiformation")
"""The objective and the decoder of the rows that change one other thing."""


class Case(NamedTuple):
    """One line of a table."""

    part: str
    """Which table: ``grid``, ``variants``, ``best`` or ``rates``."""
    name: str
    """Of the row; for the grid ``decoder/objective``."""
    layers: tuple[str, ...]
    """Files of ``benchmarks/methods`` without ``.toml``, laid over each other."""
    settings: tuple[tuple[str, Any], ...] = ()
    """Dotted keys and values."""


def grid() -> Iterator[Case]:
    """Every decoder with every objective."""
    for decoder in DECODERS:
        for objective in OBJECTIVES:
            yield Case("grid", f"{decoder}/{objective}", (objective, decoder))


def variants() -> Iterator[Case]:
    """DANCE on multi-formation with one other thing changed."""
    for name in (
        *("init-random", "init-k-means", "sampler-k-means", "networks-real"),
        *("pool-2-young", "pool-5-perturbed", "optimizer-sgd", "soft-labels", "gsdd-fp16"),
    ):
        yield Case("variants", name, (*BESIDE, name))


def rates() -> Iterator[Case]:
    """Learning rates of each decoder, tried with another seed on Fashion-MNIST at 1 image per class."""
    tried = {"ddif": (1e-4, 3e-4, 1e-3, 3e-3), "gsdd": (1e-3, 3e-3, 1e-2, 3e-2)}
    for decoder in DECODERS:
        for rate in tried.get(decoder, (0.003, 0.01, 0.03, 0.1)):
            yield Case(
                "rates", f"{decoder} {rate:g}", ("dance", decoder), (("optimizer.learning_rate", rate),)
            )


def best() -> Iterator[Case]:
    """The best combination found, and what is lost without each of its parts."""
    if (TABLES / "best.toml").exists():
        yield Case("best", "best", ("best",))
    for path in sorted(TABLES.glob("without-*.toml")):
        yield Case("best", path.stem, ("best", path.stem))


PARTS = {"grid": grid, "variants": variants, "rates": rates, "best": best}


class Job(NamedTuple):
    """One run."""

    case: Case
    dataset: str
    images_per_class: int
    seed: int
    seconds: float
    data: str

    def key(self) -> list[Any]:
        """What identifies its lines."""
        return [self.case.part, self.case.name, self.dataset, self.images_per_class, self.seed]


def pipeline(job: Job) -> Any:
    """The pipeline of a run."""
    from idc.config.extends import read_table
    from idc.config.overrides import override
    from idc.config.pipeline import Pipeline
    from idc.table import merged

    table: dict[str, Any] = {"name": "methods"}
    layers = ("common", f"ipc{job.images_per_class}", job.dataset, *job.case.layers)
    # What depends on the images' size, such as the number of frequencies, has a file of its own.
    for layer in (each for name in layers for each in (name, f"{name}-{job.dataset}")):
        file = TABLES / f"{layer}.toml"
        if layer in layers or file.exists():
            table = merged(table, read_table(file))
    return Pipeline.parse(override(table | {"seed": job.seed}, dict(job.case.settings)))


@lru_cache(maxsize=64)
def prepared(dataset: str, layers: tuple[str, ...], data: str) -> Any:
    """The data, after reading the pool and setting up the operators of a step, which no clock counts."""
    from idc import condense

    plan = pipeline(Job(Case("", "", layers), dataset, 1, 0, 0.0, data))
    real = loaded(dataset, data)
    next(condense(plan.override({"decoder": {"type": "raw"}, "init": {"type": "noise"}}), real))
    return real


@lru_cache
def loaded(dataset: str, data: str) -> Any:
    """The data, once for each process."""
    return pipeline(Job(Case("", "", ()), dataset, 1, 0, 0.0, data)).dataset.load(Path(data))


def run(job: Job) -> list[dict[str, Any]]:
    """Condense for the job's CPU seconds and score; a line for each score."""
    import torch

    from idc import condense
    from idc.experiment.score import evaluate
    from idc_cli.allocator import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(1)
    plan = pipeline(job)
    real = prepared(job.dataset, job.case.layers, job.data)
    lines: list[dict[str, Any]] = []

    began = time.process_time()
    condensation = condense(plan, real)
    initial = time.process_time() - began
    drawn = job.seed == SEEDS[0] and ("multiformation" in job.case.layers or job.case.part == "best")
    points = [*(CURVE if drawn and job.case.part != "variants" else ()), 1.0]

    def score(point: float) -> None:
        spent = time.process_time() - began - paused
        synset = condensation.synset()
        (found,) = evaluate(synset, real, plan)
        lines.append(
            {
                "key": job.key(),
                "point": point,
                "accuracy": found.values[0],
                "cpu_seconds": round(spent, 2),
                "initial_seconds": round(initial, 2),
                "steps": condensation.steps_done,
                "numbers": synset.header.budget,
                "bytes": sum(code.nbytes for code in synset.codes.values()),
                "images": len(synset),
                "labels": synset.header.labels,
                "protocol": found.protocol,
            }
        )

    paused = 0.0
    for step in condensation:
        del step
        if time.process_time() - began - paused >= points[0] * job.seconds:
            before = time.process_time()
            score(points.pop(0))
            paused += time.process_time() - before
            if not points:
                break
    while points:
        score(points.pop(0))
    return lines


def guarded(job: Job) -> list[dict[str, Any]]:
    """The lines of a run, or one that says why there is no score."""
    from idc.errors import InputError, RunError

    try:
        return run(job)
    except (InputError, RunError) as error:
        return [{"key": job.key(), "point": 1.0, "failed": str(error)}]


def done() -> list[dict[str, Any]]:
    """All lines so far."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def jobs(given: argparse.Namespace) -> Iterator[Job]:
    """All runs, those of one seed and budget together, so that a part of them is a table too."""
    seeds = (9,) if given.parts == ["rates"] else given.seeds
    for seed in seeds:
        for images_per_class in given.ipc:
            for dataset in given.datasets:
                for part in given.parts:
                    for case in PARTS[part]():
                        if any(each in case.name for each in given.skip):
                            continue
                        seconds = given.seconds or BUDGETS[images_per_class]
                        yield Job(case, dataset, images_per_class, seed, seconds, str(given.data))


def compute(given: argparse.Namespace) -> None:
    """Make the runs that have no line yet."""
    known = {json.dumps(line["key"]) for line in done()}
    wanted = [job for job in jobs(given) if json.dumps(job.key()) not in known]
    # Not forked: torch's threads do not survive it.
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(given.processes, context) as workers,
        LINES.open("a", encoding="utf-8") as file,
    ):
        futures = {workers.submit(guarded, job): job for job in wanted}
        for count, future in enumerate(as_completed(futures), 1):
            for line in future.result():
                file.write(json.dumps(line) + "\n")
                file.flush()
                said = line.get("accuracy", line.get("failed"))
                print(f"{count}/{len(wanted)}", line["key"], line["point"], said, flush=True)


def pools(given: argparse.Namespace) -> None:
    """Make every pool that a case uses, and print its CPU time."""
    import torch

    from idc.condensation.pretraining import Pretraining
    from idc.runtime.execution import Execution

    torch.set_num_threads(1)
    for dataset in given.datasets:
        for case in [*grid(), *variants(), *best()]:
            plan = pipeline(Job(case, dataset, 1, 0, 0.0, str(given.data)))
            real = plan.dataset.load(given.data)
            with Execution.on(torch.device("cpu"), plan.precision, plan.compile).active():
                needed = Pretraining.of(plan, real.train)
                if images := sum(images for _, images in needed.untrained()):
                    began = time.process_time()
                    needed.train(lambda fraction: None)
                    took = time.process_time() - began
                    said = f"{images:,} images of pretraining in {took:.0f} CPU seconds"
                    print(f"{dataset}: {case.name}: {said}", flush=True)


def summary(values: Iterable[float]) -> str:
    """Mean and standard deviation."""
    found = list(values)
    if not found:
        return "-"
    spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
    return f"{statistics.fmean(found):.1f}{spread}"


def tables() -> None:
    """Print the tables of what is done."""
    import torch

    lines = [line for line in done() if "accuracy" in line]
    final = [line for line in lines if line["point"] == 1.0]
    where = f"{platform.machine()}, torch {torch.__version__}, one thread for each run"
    print(f"{where}; accuracy in percent, mean ± standard deviation over seeds (one network each)")
    for images_per_class, seconds in BUDGETS.items():
        for dataset in DATASETS:
            here = [line for line in final if line["key"][2:4] == [dataset, images_per_class]]
            if not here:
                continue
            print(f"\n## {dataset}, {images_per_class} per class, {seconds:g} CPU seconds of condensing")
            _grid(here)
            _rows(here, "variants", "/".join(reversed(BESIDE)))
            _rows(here, "best", "best")


def _grid(here: list[dict[str, Any]]) -> None:
    columns = "".join(f"{objective:>14}" for objective in OBJECTIVES)
    print(f"{'':<16}{columns}   numbers  images  seconds")
    for decoder in DECODERS:
        cells = [
            [line for line in here if line["key"][:2] == ["grid", f"{decoder}/{objective}"]]
            for objective in OBJECTIVES
        ]
        shown = "".join(f"{summary(line['accuracy'] for line in cell):>14}" for cell in cells)
        size = next((line for cell in cells for line in cell), None)
        if size:
            # Of a decoder whose fit alone takes longer than there is time.
            most = max(line["cpu_seconds"] for cell in cells for line in cell)
            print(f"{decoder:<16}{shown}{size['numbers']:>10,}{size['images']:>8,}{most:>9.0f}")


def _rows(here: list[dict[str, Any]], part: str, beside: str) -> None:
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in here:
        if line["key"][0] == part or line["key"][1] == beside:
            rows.setdefault(line["key"][1], []).append(line)
    if len(rows) < 2:
        return
    print(f"\n{part:<24}{'accuracy':>14}{'n':>3}{'steps':>8}{'numbers':>10}{'bytes':>10}  labels")
    for name, same in rows.items():
        steps = statistics.median(line["steps"] for line in same)
        first = same[0]
        print(
            f"{name:<24}{summary(line['accuracy'] for line in same):>14}{len(same):>3}{steps:>8.0f}"
            f"{first['numbers']:>10,}{first['bytes']:>10,}  {first['labels']}"
        )


def plot() -> None:
    """Accuracy against CPU seconds, of the objectives on multi-formation codes (first seed)."""
    from matplotlib.figure import Figure

    lines = [line for line in done() if "accuracy" in line and line["key"][4] == SEEDS[0]]
    budgets = [each for each in BUDGETS if any(line["key"][3] == each for line in lines)]
    figure = Figure(figsize=(4.5 * len(budgets), 6.5), layout="constrained")
    axes = figure.subplots(2, len(budgets), squeeze=False)
    for row, dataset in enumerate(DATASETS):
        for column, images_per_class in enumerate(budgets):
            axis = axes[row][column]
            names = [f"multiformation/{objective}" for objective in OBJECTIVES] + ["best"]
            for name in names:
                points = sorted(
                    (line["cpu_seconds"], line["accuracy"])
                    for line in lines
                    if line["key"][1:4] == [name, dataset, images_per_class]
                )
                if points:
                    axis.plot(*zip(*points, strict=True), marker="o", label=name.split("/")[-1])
            axis.set(
                title=f"{dataset}, {images_per_class} per class", xlabel="CPU seconds", ylabel="accuracy, %"
            )
            axis.legend()
    figure.savefig(HERE / "results" / "methods.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("pools", "run", "table", "plot"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--parts", nargs="*", choices=tuple(PARTS), default=["grid", "variants"])
    parser.add_argument("--datasets", nargs="*", choices=DATASETS, default=list(DATASETS))
    parser.add_argument("--ipc", nargs="*", type=int, choices=tuple(BUDGETS), default=list(BUDGETS))
    parser.add_argument("--seeds", nargs="*", type=int, choices=SEEDS, default=list(SEEDS))
    parser.add_argument("--skip", nargs="*", default=[], help="parts of names of rows to leave out")
    parser.add_argument("--seconds", type=float, help="CPU seconds of each run, instead of the budget's")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    match given.what:
        case "pools":
            pools(given)
        case "run":
            compute(given)
        case "table":
            tables()
        case _:
            plot()


if __name__ == "__main__":
    main()
