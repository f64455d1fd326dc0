"""A recipe beside random images of the same budget, on four real datasets, with a small budget of time each.

    uv run python benchmarks/four_datasets.py --data DIR | tee benchmarks/results/four_datasets.txt
    uv run python benchmarks/four_datasets.py --data DIR --recipe fast --names imagenette spoken-digits \\
        | tee benchmarks/results/four_datasets_fast.txt

The recipes are IDC and pipelines/base/fast.toml, which was chosen without the second two datasets.
``DIR`` holds FashionMNIST, cifar10_jpg, imagenette-sample and the recordings of the Free Spoken Digits.
Every run is the command that is printed; finished ones are not repeated. Pictures of the first seed's
condensed samples are copied beside the results.
"""

import argparse
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import torch

from idc.config.pipeline import Pipeline
from idc.experiment.report import Report

HERE = Path(__file__).parent
NAMES = ("fashion-mnist", "cifar10-jpeg", "imagenette", "spoken-digits")


RECIPES = {"idc": "", "fast": "-fast"}
"""Method → end of the names of its pipelines."""


def command(name: str, seed: int, data: Path, out: Path) -> list[str]:
    """What a user would type."""
    pipeline = (HERE / "four_datasets" / f"{name}.toml").relative_to(HERE.parent)
    run = ["idc", "run", str(pipeline), "--data", str(data), "--set", f"seed={seed}"]
    return [*run, "--out", str(out / f"{name}-{seed}"), "--quiet"]


def summary(values: Iterable[float]) -> str:
    """Mean, standard deviation and number."""
    found = list(values)
    return f"{statistics.fmean(found):.1f} ± {statistics.stdev(found):.1f} ({len(found)})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/four"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--names", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--recipe", choices=tuple(RECIPES), default="idc")
    given = parser.parse_args()
    names = [name + RECIPES[given.recipe] for name in given.names]
    reports: dict[str, list[Report]] = {}
    for seed in given.seeds:
        for name in names:
            typed = command(name, seed, given.data, given.out)
            print(" ".join(typed), file=sys.stderr, flush=True)
            subprocess.run(typed, cwd=HERE.parent, check=True, stdout=subprocess.DEVNULL)
            reports.setdefault(name, []).append(Report.load(given.out / f"{name}-{seed}"))

    threads = reports[names[0]][0].computed
    print(f"{platform.machine()}, {threads.threads if threads else '?'} threads, torch {torch.__version__}")
    print(
        " ".join(command("NAME", 0, Path("DIR"), Path("OUT"))).replace("=0", "=SEED").replace("-0", "-SEED")
    )
    print(f"{'dataset':<15}{'stored':>9}{'steps':>7}{'random':>16}{given.recipe:>16}{'condensing':>12}")
    for name, same in reports.items():
        values = {
            method: summary(
                value
                for report in same
                for each in report.evaluations
                if each.synset == method
                for value in each.values
            )
            for method in ("random", given.recipe)
        }
        seconds = statistics.median(report.seconds["condense"] for report in same)
        plan = Pipeline.load(given.out / f"{name}-{given.seeds[0]}" / "pipeline.toml")
        steps = plan.iterations * plan.inner_steps
        print(
            f"{name:<15}{same[0].budget:>9,}{steps:>7}{values['random']:>16}{values[given.recipe]:>16}"
            f"{seconds:>10.0f} s"
        )
        picture = given.out / f"{name}-{given.seeds[0]}" / "images.png"
        shutil.copy(picture, HERE / "results" / f"four_datasets-{name}.png")
    print("accuracy in percent: mean ± standard deviation over seeds and networks (their number)")


if __name__ == "__main__":
    main()
