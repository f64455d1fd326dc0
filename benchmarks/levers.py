"""What changes of the fast recipe do to its result with 10 images per class, by iterations.

    uv run python benchmarks/levers.py --data DIR | tee benchmarks/results/levers.txt

A lever is a file of ``benchmarks/levers``, laid over the preset. ``DIR`` holds FashionMNIST and cifar10_jpg.
Nothing is timed, so the machine need not be quiet; for levers by the clock see ``--methods`` of
time_to_accuracy.py. Scores are by IDC's protocol with fewer epochs, after the last of them. They are of one
condensation each, so small differences mean nothing. Finished runs are not repeated.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import tomli_w
import torch
from methods import summary
from time_to_accuracy import DATASETS, LEVERS

from idc.experiment.report import Report

EPOCHS = 200
"""Of each network that scores."""
RECIPE = "recipe"


class Case(NamedTuple):
    """One line of a table."""

    dataset: str
    lever: str
    """A file of ``benchmarks/levers`` without ``.toml``, or the recipe as it is."""
    iterations: int
    scores: int = 1
    """Number of networks that score it."""

    @property
    def preset(self) -> str:
        """What the lever is laid over."""
        return f"{DATASETS[self.dataset][0]}-ipc10-fast"

    @property
    def lever_file(self) -> Path:
        """What is changed; what depends on the images' size has a file of its own."""
        own = LEVERS / f"{self.lever}-{self.dataset}.toml"
        return own if own.exists() else LEVERS / f"{self.lever}.toml"

    @property
    def says(self) -> str:
        """What the lever's file says of itself."""
        if self.lever == RECIPE:
            return "As it is: five networks of up to two epochs."
        return self.lever_file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")

    def run_folder(self, out: Path) -> Path:
        """Where its run is."""
        return out / f"{self.dataset}-{self.lever}"

    def save(self, out: Path) -> Path:
        """Write its pipeline.

        Returns:
            The file.
        """
        levers = [] if self.lever == RECIPE else [str(self.lever_file.resolve())]
        changes = {
            "name": self.preset,
            "iterations": self.iterations,
            "extends": [self.preset, *levers],
            **DATASETS[self.dataset][1],
        }
        file = self.run_folder(out).with_suffix(".toml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(tomli_w.dumps(changes), encoding="utf-8")
        return file

    def command(self, data: Path, out: Path) -> list[str]:
        """What a user would type."""
        scored = ("--set", f"evaluate.0.epochs={EPOCHS}", "--set", f"evaluate.0.runs={self.scores}")
        where = ("--data", str(data), "--out", str(self.run_folder(out)), "--quiet")
        return ["idc", "run", str(self.save(out)), *where, *scored]


CASES = (
    Case("fashion-mnist", RECIPE, 500),
    Case("fashion-mnist", "young", 600, 2),
    Case("fashion-mnist", "young-rate", 500),
    Case("fashion-mnist", "young-gradient", 400, 2),
    Case("fashion-mnist", "ten", 500, 2),
    Case("fashion-mnist", "ten-gradient", 400),
    Case("fashion-mnist", "near-trained", 500),
    Case("fashion-mnist", "three-older", 500),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    parser.add_argument("--datasets", nargs="*", choices=tuple(DATASETS), default=list(DATASETS))
    parser.add_argument("--levers", nargs="*", choices=sorted({case.lever for case in CASES}))
    given = parser.parse_args()
    print(f"torch {torch.__version__}; scored by {EPOCHS} epochs; accuracy in percent")
    for dataset in given.datasets:
        wanted = [case for case in CASES if case.dataset == dataset]
        wanted = [case for case in wanted if not given.levers or case.lever in given.levers]
        if wanted:
            table(wanted, given.data, given.out)


def table(cases: list[Case], data: Path, out: Path) -> None:
    """Make the runs of one dataset that are not complete, and print the scores of all."""
    found: dict[Case, tuple[float, ...]] = {}
    for case in cases:
        command = case.command(data, out)
        print(shlex.join(command), file=sys.stderr, flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (found[case],) = (each.values for each in Report.load(case.run_folder(out)).evaluations)
    print(f"\n{cases[0].preset}\n\n{'lever':<18}{'iterations':>10}{'accuracy':>13}{'n':>4}")
    for case, values in found.items():
        row = f"{case.lever:<18}{case.iterations:>10,}{summary(values):>13}{len(values):>4}"
        print(f"{row}  {case.says}")


if __name__ == "__main__":
    main()
