"""The log of a run: a line for the pretraining, for each outer iteration and for each synset scored."""

import json
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from idc.errors import Notice
from idc.experiment.report import Iteration
from idc.files.atomic import write_text
from idc.kinds.evaluation import Evaluation

LOG = "log.jsonl"
PRETRAIN, CONDENSE, EVALUATE = "pretrain", "condense", "evaluate"
"""The values of a line's ``phase``."""

EVALUATIONS = TypeAdapter(list[Evaluation])


class Log:
    """The log in a run folder; the file need not exist.

    Args:
        folder: of the run.
        writes: whether this process appends to it.
    """

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        self._path = folder / LOG
        self._writes = writes

    def add_pretraining(self, outcome: str, seconds: float) -> None:
        """Append what was trained before the first iteration.

        Args:
            outcome: what was trained.
            seconds: that it took.
        """
        self._append({"phase": PRETRAIN, "outcome": outcome, "seconds": round(seconds, 3)})

    def add_iteration(self, iteration: Iteration, seconds: float) -> None:
        """Append an outer iteration.

        Args:
            iteration: the last one.
            seconds: since the run started, without interruptions.
        """
        entry = iteration.model_dump(mode="json", exclude_defaults=True)
        self._append({"phase": CONDENSE, **entry, "seconds": round(seconds, 3)})

    def add_scores(self, contender: int, row: int, evaluations: list[Evaluation]) -> None:
        """Append scores of a synset.

        Args:
            contender: its number in the order of scoring.
            row: number of these scores among those of the synset.
            evaluations: of one architecture and evaluator.
        """
        scores = [evaluation.model_dump(mode="json") for evaluation in evaluations]
        self._append({"phase": EVALUATE, "contender": contender, "row": row, "evaluations": scores})

    def pretraining_seconds(self) -> float:
        """Seconds that the run trained networks before its first iteration; damaged lines are skipped."""
        seconds = [entry.get("seconds") for entry in self._entries(PRETRAIN)]
        return sum(each for each in seconds if isinstance(each, int | float))

    def iterations(self) -> list[Iteration]:
        """The outer iterations logged so far; damaged lines are skipped."""
        found: list[Iteration] = []
        for entry in self._entries(CONDENSE):
            with suppress(ValidationError):
                found.append(Iteration.model_validate(entry))
        return found

    def scores(self) -> dict[int, dict[int, list[Evaluation]]]:
        """The evaluations logged so far, by the numbers of contender and row; damaged lines are skipped."""
        found: dict[int, dict[int, list[Evaluation]]] = {}
        for entry in self._entries(EVALUATE):
            contender, row = entry.get("contender"), entry.get("row")
            if isinstance(contender, int) and isinstance(row, int):
                with suppress(ValidationError):
                    rows = found.setdefault(contender, {})
                    rows[row] = EVALUATIONS.validate_python(entry.get("evaluations"))
        return found

    def truncate(self, iterations: int, *, keep_scores: bool) -> None:
        """Keep only what was logged up to an outer iteration.

        Args:
            iterations: the last one that is kept.
            keep_scores: whether scores are kept.

        Raises:
            OSError: the file cannot be written.
        """
        kept = self._entries(PRETRAIN)
        kept += [entry for entry in self._entries(CONDENSE) if _iteration(entry) <= iterations]
        kept += self._entries(EVALUATE) if keep_scores else []
        text = "".join(json.dumps(entry) + "\n" for entry in kept)
        write_text(self._path, text)

    def _append(self, entry: dict[str, Any]) -> None:
        if not self._writes:
            return
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            # A run is worth more than its log.
            warnings.warn(f"{self._path} cannot be written ({error.strerror}); the run continues", Notice, 2)

    def _entries(self, phase: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        with suppress(OSError):
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                # A run that was killed may have left half a line at the end.
                with suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and entry.get("phase") == phase:
                        found.append(entry)
        return found


def _iteration(entry: dict[str, Any]) -> float:
    """The outer iteration of a line; infinity where the line is damaged."""
    iteration = entry.get("iteration")
    return iteration if isinstance(iteration, int) else float("inf")
