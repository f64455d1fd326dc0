"""The results of a run: scores as n, mean and standard deviation, with their provenance."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from idc.config.pipeline import PublishedScore
from idc.errors import InputError
from idc.experiment.score_table import score_tables
from idc.files.atomic import write_text
from idc.kinds import Evaluation
from idc.notebook import Markup, line, panel, table
from idc.synset.header import Header
from idc.synset.provenance import Computed, versions
from idc.table import Record

Read = TypeVar("Read", bound=Record)


def pooled(draws: Iterable[Sequence[Evaluation]]) -> list[Evaluation]:
    """The evaluations of several synsets, pooling the scores of draws of the same name.

    Args:
        draws: the evaluations of each synset, in the order of the evaluators.
    """
    pools: dict[tuple[str, int], list[Evaluation]] = {}
    for evaluations in draws:
        for position, evaluation in enumerate(evaluations):
            pools.setdefault((evaluation.synset, position), []).append(evaluation)
    return [
        same[0].model_copy(update={"values": tuple(value for each in same for value in each.values)})
        for same in pools.values()
    ]


def merged(earlier: Iterable[Evaluation], later: Iterable[Evaluation]) -> list[Evaluation]:
    """Evaluations with later ones, which replace those with the same key or are added.

    If one has the scores of the other and more, the longer one is kept.
    """
    found = list(earlier)
    for new in later:
        same = [position for position, each in enumerate(found) if each.key == new.key]
        if not same:
            found.append(new)
        elif found[same[0]].values[: new.n] != new.values:
            found[same[0]] = new
    models = list(dict.fromkeys(each.model for each in found))
    return sorted(found, key=lambda each: models.index(each.model))


class Iteration(Record):
    """Metrics of an outer iteration; a line of ``log.jsonl``."""

    iteration: int
    """Outer iterations done, including this one."""
    loss: float
    """Mean distance over its inner steps and classes."""
    steps: int
    """Inner steps in the mean; fewer than the pipeline's after an interruption."""
    first_norms: tuple[float, float] | None = None
    """L1 norms of the network's gradients on real and on synthetic images, after the first inner step; None
    if not computed."""
    last_norms: tuple[float, float] | None = None
    """The same norms after the last inner step."""


class _File(Record):
    """A record that is a file of its own."""

    def save(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        write_text(path, self.model_dump_json(indent=2) + "\n")


def _read(record: type[Read], file: Path, name: str, fix: str) -> Read:
    try:
        return record.model_validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; {fix}") from None
    except ValidationError:
        raise InputError(f"{file}: not {name}; {fix}") from None


class SynsetScores(_File):
    """Scores of a synset that belongs to no report; the content of ``NAME.evaluations.json`` beside it."""

    tensors: str
    """SHA-256 of the synset's tensors."""
    evaluations: tuple[Evaluation, ...] = ()

    def merged(self, evaluations: Iterable[Evaluation]) -> "SynsetScores":
        """With more evaluations, as `merged` adds them."""
        return self.model_copy(update={"evaluations": tuple(merged(self.evaluations, evaluations))})

    @classmethod
    def load(cls, path: Path) -> "SynsetScores":
        """Read them.

        Raises:
            InputError: the file cannot be read, or holds something else.
        """
        return _read(cls, path, "scores of this version of idc", "move it away")


class Report(_File):
    """The results of a run; the content of ``report.json``."""

    name: str
    """The pipeline's name."""
    method: str
    classes: tuple[str, ...] = ()
    """Class names, in the order of the labels."""
    images_per_class: int
    budget: int
    """Stored numbers of the condensed synset."""
    iterations: int
    device: str
    computed: Computed | None = None
    """How the condensation was computed; absent in older reports."""
    seconds: dict[str, float]
    """Wall-clock seconds of each phase on this machine."""
    versions: dict[str, str]
    evaluations: tuple[Evaluation, ...]
    snapshots: tuple[Evaluation, ...] = ()
    """Evaluations of the intermediate synsets, in their order."""
    published: tuple[PublishedScore, ...] = ()
    """Published scores, from the pipeline."""
    papers: tuple[str, ...] = ()
    """The papers whose method, decoder, objective, protocol and so on were used, as BibTeX."""

    @classmethod
    def of(
        cls,
        header: Header,
        evaluations: Iterable[Evaluation],
        *,
        seconds: Mapping[str, float] | None = None,
        snapshots: Iterable[Evaluation] = (),
        papers: Iterable[str] = (),
    ) -> "Report":
        """The report of a finished run.

        Args:
            header: of the condensed synset.
            evaluations: of the synset and of what it is compared with.
            seconds: wall-clock seconds of each phase; by default those of the condensation, if the header has
                them.
            snapshots: evaluations of the intermediate synsets, in their order.
            papers: BibTeX of what was used, as `Pipeline.cited` has it.
        """
        plan = header.pipeline
        if seconds is None:
            seconds = {} if header.seconds is None else {"condense": header.seconds}
        return cls(
            name=plan.get("name", "pipeline"),
            method=plan["method"],
            classes=header.spec.classes,
            images_per_class=plan["images_per_class"],
            budget=header.budget,
            iterations=header.iterations,
            device=header.computed.device if header.computed else "unknown",
            computed=header.computed,
            seconds={phase: round(each, 3) for phase, each in seconds.items()},
            versions=versions(),
            evaluations=tuple(evaluations),
            snapshots=tuple(snapshots),
            published=plan.get("published", ()),
            papers=tuple(papers),
        )

    @property
    def title(self) -> str:
        """The pipeline's name and the stored images per class."""
        return f"{self.name}: images per class {self.images_per_class}"

    def _repr_html_(self) -> str:
        """The scores and the seconds of each phase, for notebooks."""
        parts: list[Markup] = []
        for scores in score_tables(self.evaluations):
            parts += [line(scores.heading)] if scores.heading else []
            parts.append(table(scores.columns, scores.rows))
            parts += [line(scores.note)] if scores.note else []
        seconds = ", ".join(f"{phase} {each:,.1f} s" for phase, each in self.seconds.items())
        parts += [] if parts else [line("no scores")]
        parts += [line(seconds)] if seconds else []
        return panel(f"Report {self.title}", *parts)

    def merged(self, evaluations: Iterable[Evaluation], papers: Iterable[str] = ()) -> "Report":
        """The report with more evaluations, as `merged` adds them.

        Args:
            evaluations: to add.
            papers: BibTeX of what was used for them.
        """
        found = tuple(merged(self.evaluations, evaluations))
        cited = tuple(dict.fromkeys([*self.papers, *papers]))
        return self.model_copy(update={"evaluations": found, "papers": cited})

    @classmethod
    def load(cls, path: Path) -> "Report":
        """Read a report.

        Args:
            path: the file, or a run folder that holds ``report.json``.

        Raises:
            InputError: there is no such file, or it is not a report.
        """
        file = path / "report.json" if path.is_dir() else path
        return _read(cls, file, "a report of idc", "give the folder of a finished run")
