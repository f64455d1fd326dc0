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

from idc import Pipeline, Report, Synset, condense, evaluate
from idc.condensation.state import State
from idc.synset.header import FILE

EPOCHS = 200
"""Of each network that scores."""
REPORT = "report.json"
EARLIER = 500
"""Iterations before those of a case that begins from another's synset."""


class Case(NamedTuple):
    """One line of a table."""

    dataset: str
    lever: str
    """A file of ``benchmarks/levers`` without ``.toml``; ``older`` is the recipe as it is."""
    iterations: int
    scores: int = 1
    """Number of networks that score it."""
    after: str | None = None
    """A lever whose synset of `EARLIER` iterations it begins from."""

    @property
    def name(self) -> str:
        """What is done."""
        return self.lever if self.after is None else f"{self.after}-{self.lever}"

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
        return self.lever_file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")

    def run_folder(self, out: Path) -> Path:
        """Where its run is."""
        return out / f"{self.dataset}-{self.name}"

    def save(self, out: Path) -> Path:
        """Write its pipeline.

        Returns:
            The file.
        """
        changes = {
            "name": self.preset,
            "iterations": self.iterations,
            "extends": [self.preset, str(self.lever_file.resolve())],
            **DATASETS[self.dataset][1],
        }
        file = self.run_folder(out).with_suffix(".toml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(tomli_w.dumps(changes), encoding="utf-8")
        return file

    def run(self, data: Path, out: Path) -> None:
        """Make its run, or finish it."""
        if self.after is not None:
            self._go_on(Case(self.dataset, self.after, EARLIER), data, out)
            return
        where = ("--data", str(data), "--out", str(self.run_folder(out)), "--quiet")
        changes = [word for key, value in self.scored.items() for word in ("--set", f"{key}={value}")]
        command = ["idc", "run", str(self.save(out)), *where, *changes]
        print(shlex.join(command), file=sys.stderr, flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    @property
    def scored(self) -> dict[str, int]:
        """How, as changes of the preset."""
        return {"evaluate.0.epochs": EPOCHS, "evaluate.0.runs": self.scores}

    def _go_on(self, earlier: "Case", data: Path, out: Path) -> None:
        folder = self.run_folder(out)
        if (folder / REPORT).exists():
            return
        earlier.run(data, out)
        print(f"{folder}: after {earlier.run_folder(out)}", file=sys.stderr, flush=True)
        plan = Pipeline.load(self.save(out), self.scored)
        run = condense(plan, root=data)
        run.restore(State(0, Synset.load(earlier.run_folder(out)).codes, {}, None))
        for _ in run:
            pass
        folder.mkdir(exist_ok=True)
        synset = run.synset()
        synset.save(folder / FILE)
        Report.of(synset.header, evaluate(synset, run.data)).save(folder / REPORT)


CASES = (
    Case("fashion-mnist", "older", 500),
    Case("fashion-mnist", "young", 600, 2),
    Case("fashion-mnist", "young-rate", 500),
    Case("fashion-mnist", "young-gradient", 400, 2),
    Case("fashion-mnist", "ten", 500, 2),
    Case("fashion-mnist", "ten-gradient", 400),
    Case("fashion-mnist", "near-trained", 500),
    Case("fashion-mnist", "three-older", 500),
    Case("fashion-mnist", "soft-labels", 500),
    Case("fashion-mnist", "ddif", 500),
    Case("fashion-mnist", "fred", 500),
    Case("fashion-mnist", "small-batches", 500),
    Case("fashion-mnist", "perturbed", 500),
    Case("fashion-mnist", "without-average", 500),
    Case("fashion-mnist", "narrow", 500),
    Case("fashion-mnist", "older", 200, after="narrow"),
    Case("fashion-mnist", "gradient", 200, after="older"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/levers"))
    parser.add_argument("--datasets", nargs="*", choices=tuple(DATASETS), default=list(DATASETS))
    parser.add_argument("--levers", nargs="*", choices=sorted({case.name for case in CASES}))
    given = parser.parse_args()
    print(f"torch {torch.__version__}; scored by {EPOCHS} epochs; accuracy in percent")
    for dataset in given.datasets:
        wanted = [case for case in CASES if case.dataset == dataset]
        wanted = [case for case in wanted if not given.levers or case.name in given.levers]
        if wanted:
            table(wanted, given.data, given.out)


def table(cases: list[Case], data: Path, out: Path) -> None:
    """Make the runs of one dataset that are not complete, and print the scores of all."""
    found: dict[Case, tuple[float, ...]] = {}
    for case in cases:
        case.run(data, out)
        (found[case],) = (each.values for each in Report.load(case.run_folder(out)).evaluations)
    print(f"\n{cases[0].preset}\n\n{'lever':<18}{'iterations':>10}{'accuracy':>13}{'n':>4}")
    for case, values in found.items():
        row = f"{case.name:<18}{case.iterations:>10,}{summary(values):>13}{len(values):>4}"
        print(f"{row}  {case.says}")


if __name__ == "__main__":
    main()
