"""Breaks runs in every way that comes to mind, resumes them, and compares the bits.

    uv run python benchmarks/faults.py | tee benchmarks/results/faults.txt

A small run of three digits keeps a checkpoint after every outer iteration. Each fault strikes a real process,
forked from this one so that it need not import torch anew; ``idc run --resume`` follows, and the tensors of
its synset are compared with those of a run that nothing happened to. Ends with 1 if anything did not survive.
"""

import argparse
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# One thread, because what has started threads cannot be forked.
os.environ["OMP_NUM_THREADS"] = "1"

import torch
from safetensors.torch import load_file

import idc_cli.report.page
import idc_cli.runner.condense
from idc.condensation import checkpoint
from idc.config.pipeline import Pipeline
from idc.files import atomic
from idc.stages.evaluators import retrain
from idc.synset import pictures
from idc_cli.main import app
from idc_cli.run_folder.folder import RunFolder
from idc_cli.terminal.shell import shell_line

PIPELINE = """
method = "idc"
images_per_class = 1
iterations = 8
inner_steps = 4
dataset = {type = "digits", size = 8, limit = 20, classes = ["1", "4", "7"]}
model = {type = "convnet", depth = 2, width = 4}
init = {type = "mix"}
decoder = {type = "multiformation", factor = 2}
augment = [{type = "dsa"}]
sampler = {type = "epoch", batch_size = 8}
objective = {type = "gradient"}
networks = {type = "real", images = 100}
optimizer = {learning_rate = 0.01}
baseline = [{name = "random", init.type = "random", decoder.type = "raw"}]
evaluate = [{type = "retrain", runs = 2, epochs = 8}]
"""
STEPS = 8 * 4
CHECKPOINT = "checkpoint.safetensors"

Prepare = Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """What came of a process."""

    code: int
    """Exit code; minus the signal that killed it."""
    output: str


class Runs:
    """Runs of the pipeline in folders below one."""

    def __init__(self, work: Path) -> None:
        self.work = work
        (work / "small.toml").write_text(PIPELINE)
        # Imports every stage, and scikit-learn, so that the children need not.
        Pipeline.load(work / "small.toml").dataset.load(work)

    def start(self, folder: str, *flags: str, prepare: Prepare = lambda: None) -> int:
        """Fork a process that runs; returns its number."""
        # Here, because the child may be killed before it does anything.
        (self.work / f"{folder}.txt").touch()
        child = os.fork()
        if child:
            return child
        code = 70
        try:
            os.chdir(self.work)
            written = os.open(f"{folder}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(written, 1)
            os.dup2(written, 2)
            # A shell's background jobs ignore it.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            prepare()
            command = ["run", "small.toml", "--device", "cpu", "--checkpoint-every", "1", "--out", folder]
            app([*command, *flags])
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def wait(self, child: int, folder: str) -> Outcome:
        """Until a process has ended."""
        _, status = os.waitpid(child, 0)
        return Outcome(os.waitstatus_to_exitcode(status), (self.work / f"{folder}.txt").read_text())

    def run(self, folder: str, *flags: str, prepare: Prepare = lambda: None) -> Outcome:
        """Run to the end."""
        return self.wait(self.start(folder, *flags, prepare=prepare), folder)

    def tensors(self, folder: str) -> dict[str, torch.Tensor]:
        """The synset's."""
        return load_file(self.work / folder / "synset.safetensors")


class Table:
    """Tells what was tried."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.failed = 0
        began = time.monotonic()
        outcome = runs.run("whole")
        self.seconds = time.monotonic() - began
        assert outcome.code == 0, outcome.output
        self.expected = runs.tensors("whole")
        self.scores = self._scores("whole")
        print(f"{'fault':<58}{'tried':>6}{'survived':>9}{'same bits':>10}{'steps lost':>11}")

    def row(self, fault: str, outcomes: list[tuple[bool, bool | None, int | None]]) -> None:
        """A line: how many survived, how many had the same bits, the most work lost."""
        survived = sum(each[0] for each in outcomes)
        bits = [each[1] for each in outcomes if each[1] is not None]
        lost = [each[2] for each in outcomes if each[2] is not None]
        self.failed += len(outcomes) - survived + len(bits) - sum(bits)
        same = f"{sum(bits)}/{len(bits)}" if bits else "-"
        print(f"{fault:<58}{len(outcomes):>6}{survived:>9}{same:>10}{max(lost, default='-'):>11}", flush=True)

    def resumed(self, folder: str, at: int | None = None) -> tuple[bool, bool, int | None]:
        """Resume a run that was broken after so many steps; whether it finished, and with which bits."""
        outcome = self.runs.run(folder, "--resume")
        if outcome.code != 0 or "Traceback" in outcome.output:
            print(outcome.output)
            return False, False, None
        found = self.runs.tensors(folder)
        same = found.keys() == self.expected.keys() and all(
            torch.equal(found[name], self.expected[name]) for name in found
        )
        resumed = re.search(r"resuming at inner step (\d+) of", outcome.output)
        kept = at if "holds this run, finished" in outcome.output else resumed and int(resumed.group(1))
        lost = None if at is None else at - (kept or 0)
        return True, same and self._scores(folder) == self.scores, lost

    def _scores(self, folder: str) -> list[object]:
        report = json.loads((self.runs.work / folder / "report.json").read_text())
        return [each["values"] for each in report["evaluations"]]


def steps_done(runs: Runs, folder: str) -> int:
    """By the log: outer iterations that ended, as steps."""
    log = runs.work / folder / "log.jsonl"
    return 4 * log.read_text().count('"condense"') if log.exists() else 0


def killed_at_random(table: Table, count: int, seed: int) -> None:
    """SIGKILL, whenever it is."""
    draw, outcomes = random.Random(seed), []
    for number in range(count):
        folder = f"random-{number}"
        child = table.runs.start(folder)
        time.sleep(draw.uniform(0, table.seconds))
        os.kill(child, signal.SIGKILL)
        table.runs.wait(child, folder)
        outcomes.append(table.resumed(folder, steps_done(table.runs, folder)))
    table.row(f"SIGKILL at a random moment (seed {seed})", outcomes)


def suicide() -> None:
    """SIGKILL from within."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_when(table: Table, fault: str, prepare: Prepare) -> None:
    """SIGKILL at a place in the code."""
    folder = re.sub(r"\W+", "-", fault)
    outcome = table.runs.run(folder, prepare=prepare)
    assert outcome.code == -signal.SIGKILL, f"{fault}: it was not killed\n{outcome.output}"
    table.row(f"SIGKILL {fault}", [table.resumed(folder, steps_done(table.runs, folder))])


def before_a_call(place: object, name: str, calls: int, *, half: bool = False) -> Prepare:
    """Lets a function kill the process in place of its n-th call, or with half of its file written."""

    def prepare() -> None:
        original, seen = getattr(place, name), [0]

        def replaced(*arguments: object, **named: object) -> object:
            seen[0] += 1
            if seen[0] < calls:
                return original(*arguments, **named)
            if half:
                original(*arguments, **named)
                path = next(each for each in arguments if isinstance(each, Path))
                os.truncate(path, path.stat().st_size // 2)
            suicide()
            return None

        setattr(place, name, replaced)

    return prepare


def before_a_rename(calls: int) -> Prepare:
    """Kills the process in place of the n-th renaming of a checkpoint."""

    def prepare() -> None:
        original, seen = Path.replace, [0]

        def replaced(path: Path, target: Path) -> Path:
            seen[0] += "checkpoint" in path.name
            if seen[0] == calls:
                suicide()
            return original(path, target)

        Path.replace = replaced  # pyright: ignore[reportAttributeAccessIssue]

    return prepare


def interrupted_twice_while_scoring(table: Table) -> None:
    """SIGKILL during two evaluations of the same run."""
    for flags in ((), ("--resume",)):
        outcome = table.runs.run("scoring", *flags, prepare=before_a_call(retrain, "accuracy", 2))
        assert outcome.code == -signal.SIGKILL, outcome.output
    table.row("SIGKILL during two evaluations, one after the other", [table.resumed("scoring")])


def signalled(table: Table, number: signal.Signals, times: int) -> None:
    """A signal that can be handled, once or twice, in the middle of condensing."""
    outcomes = []
    for trial in range(3):
        folder = f"{number.name}-{times}-{trial}"
        child = table.runs.start(folder)
        while steps_done(table.runs, folder) < 8 * (trial + 1) // 2:
            time.sleep(0.002)
        for _ in range(times):
            os.kill(child, number)
            time.sleep(0.001)
        outcome = table.runs.wait(child, folder)
        stopped = outcome.code == 130 and f"resume with: {shell_line(['idc', 'run'])}" in outcome.output
        survived, same, lost = table.resumed(folder, steps_done(table.runs, folder))
        outcomes.append((survived and stopped, same, max(lost or 0, 0)))
    table.row(f"{number.name}{' twice' if times > 1 else ''}", outcomes)


def damaged(table: Table, fault: str, harm: Callable[[Path], object], *, both: bool = False) -> None:
    """A checkpoint that is no longer what it was, in a run that was stopped."""
    folder = re.sub(r"\W+", "-", fault)
    child = table.runs.start(folder)
    while steps_done(table.runs, folder) < 12:
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    table.runs.wait(child, folder)
    at, last = steps_done(table.runs, folder), table.runs.work / folder / CHECKPOINT
    harm(last)
    if both:
        harm(atomic.previous(last))
        outcome = table.runs.run(folder, "--resume")
        refused = outcome.code == 2 and "Start again with --overwrite" in outcome.output
        table.row(f"checkpoint {fault}: refused", [(refused, None, None)])
        return
    table.row(f"checkpoint {fault}", [table.resumed(folder, at)])


def flip(path: Path) -> None:
    """One bit in the middle of the last quarter."""
    content = bytearray(path.read_bytes())
    content[-len(content) // 8] ^= 16
    path.write_bytes(content)


def without_room(table: Table) -> None:
    """No file can grow as large as a synset, as on a full disk, until the run is resumed."""
    # Well below it, because the header's seconds have more or fewer digits.
    limit = (table.runs.work / "whole" / "synset.safetensors").stat().st_size - 100

    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    outcome = table.runs.run("full", prepare=prepare)
    told = outcome.code == 1 and "cannot be written" in outcome.output and "Traceback" not in outcome.output
    survived, same, _ = table.resumed("full")
    table.row("disk full for all of the run, then not", [(told and survived, same, None)])


def removed(table: Table) -> None:
    """The folder is removed during the run."""
    child = table.runs.start("removed")
    while steps_done(table.runs, "removed") < 8:
        time.sleep(0.002)
    shutil.rmtree(table.runs.work / "removed", ignore_errors=True)
    outcome = table.runs.wait(child, "removed")
    same = outcome.code == 0 and torch.equal(
        table.runs.tensors("removed")["images"], table.expected["images"]
    )
    table.row("run folder removed under the run", [(outcome.code == 0, same, 0)])


def two_at_once(table: Table) -> None:
    """Another run into the same folder."""
    first = table.runs.start("shared")
    while not (table.runs.work / "shared" / "pipeline.toml").exists():
        time.sleep(0.002)
    os.kill(first, signal.SIGSTOP)
    refusals = []
    for flags in ((), ("--resume",), ("--overwrite",)):
        child = table.runs.start("shared", *flags, prepare=lambda: None)
        outcome = table.runs.wait(child, "shared")
        told = f"being written to by process {first} on" in outcome.output
        refusals.append((outcome.code == 2 and told, None, None))
    os.kill(first, signal.SIGCONT)
    table.row("a second run in the folder: refused", refusals)
    table.runs.wait(first, "shared")
    table.row("the first run meanwhile", [table.resumed("shared")])


def changed(table: Table) -> None:
    """Another pipeline, more iterations, and other data."""
    outcome = table.runs.run("changed", prepare=before_a_call(pictures, "save", 1))
    assert outcome.code == -signal.SIGKILL, outcome.output
    shutil.copytree(table.runs.work / "changed", table.runs.work / "between")
    outcome = table.runs.run("changed", "--resume", "--set", "seed=1")
    refused = outcome.code == 2 and "seed: was 0, is now 1" in outcome.output
    table.row("another pipeline when resuming: refused", [(refused, None, None)])
    more = ("--set", "iterations=10")
    assert table.runs.run("longer", *more).code == 0
    outcome = table.runs.run("changed", "--resume", *more)
    same = outcome.code == 0 and torch.equal(
        table.runs.tensors("changed")["images"], table.runs.tensors("longer")["images"]
    )
    table.row("more iterations when resuming", [(outcome.code == 0, same, 0)])
    outcome = table.runs.run(
        "between", "--resume", *more, prepare=before_a_call(RunFolder, "_write_pipeline", 1)
    )
    assert outcome.code == -signal.SIGKILL, outcome.output
    outcome = table.runs.run("between", "--resume", *more)
    same = outcome.code == 0 and torch.equal(
        table.runs.tensors("between")["images"], table.runs.tensors("longer")["images"]
    )
    table.row("SIGKILL while the folder is made ready for them", [(outcome.code == 0, same, 0)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        table = Table(Runs(Path(work)))
        killed_at_random(table, given.kills, given.seed)
        killed_when(table, "before the first checkpoint", before_a_call(checkpoint, "write", 1))
        killed_when(
            table, "while the first is written", before_a_call(checkpoint, "write_tensors", 1, half=True)
        )
        killed_when(
            table, "while the third is written", before_a_call(checkpoint, "write_tensors", 3, half=True)
        )
        killed_when(table, "before it is verified", before_a_call(atomic, "write_atomically", 3))
        for calls in (4, 5, 6):
            killed_when(table, f"at renaming {calls} of checkpoints", before_a_rename(calls))
        killed_when(table, "before the synset is written", before_a_call(idc_cli.runner.condense, "_save", 1))
        killed_when(table, "before the picture is written", before_a_call(pictures, "save", 1))
        killed_when(table, "before the page is written", before_a_call(idc_cli.report.page, "write_page", 1))
        killed_when(table, "during evaluation", before_a_call(retrain, "accuracy", 2))
        killed_when(table, "between two evaluations", before_a_call(retrain, "accuracy", 3))
        interrupted_twice_while_scoring(table)
        for number in (signal.SIGINT, signal.SIGTERM):
            signalled(table, number, 1)
        signalled(table, signal.SIGINT, 2)
        damaged(table, "truncated", lambda path: os.truncate(path, path.stat().st_size - 100))
        damaged(table, "emptied", lambda path: os.truncate(path, 0))
        damaged(table, "with a flipped bit", flip)
        damaged(table, "removed", lambda path: path.unlink())
        damaged(table, "and the one before emptied", lambda path: os.truncate(path, 0), both=True)
        without_room(table)
        removed(table)
        two_at_once(table)
        changed(table)
    print(f"{table.failed} not survived; a whole run has {STEPS} steps, a checkpoint after every fourth")
    sys.exit(bool(table.failed))


if __name__ == "__main__":
    main()
