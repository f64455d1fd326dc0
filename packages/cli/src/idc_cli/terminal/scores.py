"""Scores in the terminal."""

from collections.abc import Iterable

from rich.console import Console

from idc.experiment.report import Report
from idc.kinds.evaluation import Evaluation
from idc_cli.terminal.tables import show_table, show_table_and_protocol
from idc_cli.terminal.text import say


def show_report(report: Report, *, json: bool = False) -> None:
    """Print a run's scores, or its whole report as JSON; without scores there is nothing to print as text."""
    if json:
        print(report.model_dump_json(indent=2))
    elif report.evaluations:
        show_scores(report.evaluations, f"{report.name}: images per class {report.images_per_class}")


def show_scores(evaluations: Iterable[Evaluation], title: str | None = None) -> None:
    """Print a row for each evaluation: mean ± standard deviation of the scores and how many there are."""
    found = list(evaluations)
    models = {each.model for each in found}
    recipes = {each.key._replace(synset="", model="") for each in found}
    distinct = len({each.key for each in found}) == len(found)
    if len(models) > 1 and len(recipes) == 1 and distinct:
        _show_models(found, title)
        return
    columns = ["synset", "stored numbers>", "model", f"{metric(found)}>", "n>", "protocol"]
    rows = [
        (each.synset, f"{each.budget:,}", each.model, each.summary(), str(each.n), each.recipe)
        for each in found
    ]
    show_table_and_protocol(columns, rows, title)


def _show_models(found: list[Evaluation], title: str | None) -> None:
    """The papers' table of several architectures: a row for each synset, a column for each model."""
    models = list(dict.fromkeys(each.model for each in found))
    scores = {each.key: each for each in found}
    budgets = {each.synset: each.budget for each in found}
    runs = {each.n for each in found}

    def cell(synset: str, model: str) -> str:
        each = scores.get(found[0].key._replace(synset=synset, model=model))
        if each is None:
            return ""
        return each.summary() if len(runs) == 1 else f"{each.summary()} ({each.n})"

    columns = ["synset", "stored numbers>", *(f"{model}>" for model in models)]
    rows = [
        (synset, f"{budget:,}", *(cell(synset, model) for model in models))
        for synset, budget in budgets.items()
    ]
    show_table(columns, rows, title)
    n = f"n {runs.pop()}" if len(runs) == 1 else "n in brackets"
    say(Console(), f"{metric(found)}, {n}; protocol: {found[0].recipe}")


def metric(evaluations: Iterable[Evaluation]) -> str:
    """Heading of a column of scores, such as ``accuracy, %``."""
    names = dict.fromkeys(each.metric for each in evaluations)
    return ", ".join(names).replace("accuracy", "accuracy, %")
