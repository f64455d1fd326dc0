"""Scores as tables of text: for the terminal, for pages and for notebooks."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from idc.kinds.evaluation import Evaluation, EvaluationKey


class ScoreTable(NamedTuple):
    """Mean ± standard deviation of scores, and how many there are."""

    columns: Sequence[str]
    """Headings; one that ends in ``>`` is of numbers."""
    rows: Sequence[Sequence[str]]
    note: str
    """What holds for all rows, such as their protocol; may be empty."""
    heading: str = ""
    """For the points of a curve, which."""


def score_tables(evaluations: Iterable[Evaluation]) -> Iterator[ScoreTable]:
    """A table of the scores of each evaluator.

    Curves follow, each as a table with a column for each of its points.
    """
    everything = [each for each in evaluations if not each.detail]
    scores = [each for each in everything if each.listed]
    for evaluator in dict.fromkeys(each.type for each in scores):
        yield _table([each for each in scores if each.type == evaluator])
    for curve in curves(everything):
        yield _by_column(curve, "at")._replace(heading=f"{metric(curve)}, along the {curve[0].along}")


def curves(evaluations: Iterable[Evaluation]) -> list[list[Evaluation]]:
    """The points of each curve: of all synsets and protocols, and of details of all models."""
    found: dict[EvaluationKey, list[Evaluation]] = {}
    for each in evaluations:
        if each.at is not None:
            model = "" if each.detail else each.model
            key = each.key._replace(synset="", recipe="", model=model, at=None)
            found.setdefault(key, []).append(each)
    return list(found.values())


def _table(found: list[Evaluation]) -> ScoreTable:
    for field in ("model", "metric"):
        # Else the columns would be of different things.
        others = {each.key._replace(synset="", recipe="", **{field: ""}) for each in found}
        varied = len({getattr(each, field) for each in found}) > 1
        if varied and len(others) == 1 and len({each.key for each in found}) == len(found):
            return _by_column(found, field)
    heading = score_columns(found)
    columns = ["synset", "stored numbers>", "model", *heading, "n>", "protocol"]
    rows = [
        [each.synset, budget(each), each.model, *score_cells(each, heading), str(each.n), each.recipe]
        for each in found
    ]
    return ScoreTable(*without_common_protocol(columns, rows))


def without_common_protocol(
    columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[Sequence[str], Sequence[Sequence[str]], str]:
    """A table whose last column is the protocol, without that column if all rows have the same.

    Args:
        columns: headings.
        rows: cells.

    Returns:
        Headings, cells, and a note that says the protocol of all rows; empty if they have several.
    """
    protocols = {row[-1] for row in rows}
    if len(protocols) > 1:
        return columns, rows, ""
    return columns[:-1], [row[:-1] for row in rows], "".join(f"protocol: {each}" for each in protocols)


def _by_column(found: Sequence[Evaluation], field: str) -> ScoreTable:
    """The papers' table: a row for each synset, a column for each value of one field of their keys."""
    columns = {getattr(each, field): _heading(each, field) for each in found}
    scores = {each.key: each for each in found}
    budgets = {each.synset: budget(each) for each in found}
    runs, recipes = ({getattr(each, name) for each in found} for name in ("n", "recipe"))

    def cell(key: EvaluationKey) -> str:
        each = scores.get(key)
        if each is None:
            return ""
        return each.summary() if len(runs) == 1 else f"{each.summary()} ({each.n})"

    headings = ["synset", "stored numbers>", *(f"{name}>" for name in columns.values())]
    rows: list[list[str]] = []
    for key in dict.fromkeys(each.key._replace(**{field: None}) for each in found):
        cells = [cell(key._replace(**{field: value})) for value in columns]
        rows.append([key.synset, budgets[key.synset], *cells])
        if len(recipes) > 1:
            rows[-1].append(key.recipe)
    said = [] if field == "metric" else [metric(found)]
    said.append(f"n {runs.pop()}" if len(runs) == 1 else "n in brackets")
    protocol = f"; protocol: {found[0].recipe}" if len(recipes) == 1 else ""
    headings += ["protocol"] if len(recipes) > 1 else []
    return ScoreTable(headings, rows, ", ".join(said) + protocol)


def _heading(each: Evaluation, field: str) -> str:
    if field == "at":
        return f"{each.at:g}"
    return metric([each]) if field == "metric" else each.model


def score_columns(evaluations: Sequence[Evaluation]) -> list[str]:
    """Headings of the scores; with several metrics there is a column in which each row says its own."""
    names = {each.metric for each in evaluations}
    return [f"{metric(evaluations)}>"] if len(names) == 1 else ["metric", "score>"]


def score_cells(each: Evaluation, columns: Sequence[str]) -> list[str]:
    """The cells of a score in the columns of `score_columns`."""
    return [metric([each]), each.summary()][-len(columns) :]


def budget(each: Evaluation) -> str:
    """The stored numbers; empty where no synset was scored."""
    return f"{each.budget:,}" if each.budget else ""


def metric(evaluations: Iterable[Evaluation]) -> str:
    """Heading of a column of scores, such as ``accuracy, %``."""
    names = dict.fromkeys(each.metric for each in evaluations)
    return ", ".join(names).replace("accuracy", "accuracy, %")
