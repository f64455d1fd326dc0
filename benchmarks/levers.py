"""What changes in the fast recipe do to its result on Fashion-MNIST with 10 images per class, by iterations.

    uv run python benchmarks/levers.py --data DIR | tee benchmarks/results/levers.txt

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

import torch
from methods import summary

from idc.experiment.report import Report

PRESET = "fashion-mnist-ipc10-fast"
EPOCHS = 200
"""Of each network that scores."""
GRADIENT = 'objective={type="gradient",metric="l1"}'


class Lever(NamedTuple):
    """A change of the recipe."""

    name: str
    networks: int
    """In the pool."""
    epochs: float
    """For which they were trained."""
    iterations: int
    settings: tuple[str, ...] = ()
    """What else is changed."""
    scores: int = 1
    """Number of networks that score it."""

    def command(self, data: Path, out: Path) -> list[str]:
        """What a user would type."""
        settings = (
            f"networks.pool.networks={self.networks}",
            f"networks.pool.epochs=[0,{self.epochs:g}]",
            f"iterations={self.iterations}",
            *self.settings,
            f"evaluate.0.epochs={EPOCHS}",
            f"evaluate.0.runs={self.scores}",
        )
        changes = [part for setting in settings for part in ("--set", setting)]
        return ["idc", "run", PRESET, "--data", str(data), "--out", str(out / self.name), "--quiet", *changes]


LEVERS = (
    Lever("young", 10, 0.5, 600, scores=2),
    Lever("young-rate", 5, 0.5, 500, ("networks.pool.training.learning_rate=0.05",)),
    Lever("young-gradient", 10, 0.5, 400, (GRADIENT,), scores=2),
    Lever("ten", 10, 2, 500, scores=2),
    Lever("ten-gradient", 10, 2, 400, (GRADIENT,)),
    Lever("recipe", 5, 2, 500),
    Lever("near-trained", 5, 2, 500, ("networks.share=[0,0.5]",)),
    Lever("three-older", 3, 5, 500),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    parser.add_argument("--names", nargs="*", choices=[lever.name for lever in LEVERS])
    given = parser.parse_args()
    found: dict[Lever, tuple[float, ...]] = {}
    for lever in LEVERS:
        if not given.names or lever.name in given.names:
            command = lever.command(given.data, given.out)
            print(shlex.join(command), file=sys.stderr, flush=True)
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            (found[lever],) = (each.values for each in Report.load(given.out / lever.name).evaluations)
    print(f"torch {torch.__version__}; {PRESET}, scored by {EPOCHS} epochs; accuracy in percent\n")
    print(f"{'lever':<16}{'networks':>9}{'epochs':>8}{'iterations':>12}{'accuracy':>12}{'n':>4}  {'else'}")
    for lever, values in found.items():
        print(
            f"{lever.name:<16}{lever.networks:>9}{lever.epochs:>8g}{lever.iterations:>12,}"
            f"{summary(values):>12}{len(values):>4}  {' '.join(lever.settings)}".rstrip()
        )


if __name__ == "__main__":
    main()
