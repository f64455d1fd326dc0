"""The notebook of the documentation computes, and shows what it says."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from displayed import Displayed
from idc.config.pipeline import Pipeline
from repository import ROOT

from .documentation import module_of

NOTEBOOK = module_of("notebook")


def test_what_it_shows_was_computed() -> None:
    notebook = nbformat.read(NOTEBOOK.FILE, as_version=4)
    nbformat.validate(notebook)
    check(notebook)
    text = NOTEBOOK.FILE.read_text()
    assert len(text) < 100_000
    assert str(ROOT) not in text
    assert str(Path.home()) not in text.replace("\\/", "/")


def test_its_links_lead_somewhere() -> None:
    notebook = nbformat.read(NOTEBOOK.FILE, as_version=4)
    links = re.findall(r"\]\(([^)#]+)\)", "".join(cell.source for cell in notebook.cells))
    assert links
    for target in links:
        assert (NOTEBOOK.FILE.parent / target).exists(), target


@pytest.mark.slow
def test_it_computes() -> None:
    notebook = NOTEBOOK.computed()
    before = nbformat.read(NOTEBOOK.FILE, as_version=4)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in before.cells]
    check(notebook)


def check(notebook: NotebookNode) -> None:
    """Check the outputs of every cell."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell.outputs]
    assert [output.output_type for output in outputs] == [
        "execute_result",
        "stream",
        "execute_result",
        "execute_result",
        "stream",
    ]
    pipeline, synset, report = (
        Displayed(output.data["text/html"]) for output in outputs if output.output_type == "execute_result"
    )
    bar, accuracy = (output.text for output in outputs if output.output_type == "stream")
    steps = _check_pipeline(pipeline)
    assert f"100%|██████████| {steps}/{steps} " in bar
    assert [len(row) for row in synset.images if row] == [4] * 10
    assert "2,560 numbers, 1 image per class" in synset.text
    scores = {row[0]: float(row[3].split(" ± ")[0]) for row in report.rows[1:]}
    assert [*scores] == ["random", "idc"]
    assert scores["idc"] > scores["random"]
    assert re.search(r"condense [\d.]+ s", report.text)
    (found,) = re.findall(r"^([\d.]+) % of 360 real test images$", accuracy.strip())
    assert float(found) > scores["random"]


def _check_pipeline(shown: Displayed) -> int:
    """Check the table of the pipeline; its inner steps."""
    rows = {row[0]: row[1:] for row in shown.rows}
    plan = Pipeline.load("digits")
    assert rows["[dataset]"][0] == plan.dataset.type
    assert rows["[model]"] == ["convnet", "width = 32"]
    assert rows["[[baseline]]"][1].startswith('name = "random"')
    assert "[optimizer]\n" in shown.text, "all fields are folded below"
    (numbers,) = re.findall(r"iterations = (\d+), inner_steps = (\d+)", shown.text.partition("table")[0])
    return int(numbers[0]) * int(numbers[1])
