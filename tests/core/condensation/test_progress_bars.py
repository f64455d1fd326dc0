"""A condensation is an iterator with a length, which is all that others' progress bars need."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress
from tqdm import tqdm
from tqdm.auto import tqdm as auto

from idc.condensation import checkpoint
from idc.condensation.loop import Condensation, condense
from small import small_pipeline


def begun(steps: int, **overrides: object) -> Condensation:
    condensation = condense(small_pipeline(**overrides), device="cpu")
    for _, _ in zip(range(steps), condensation, strict=False):
        pass
    return condensation


def bar_of(condensation: Condensation) -> list[int]:
    """What a bar showed before the first step, after each of them, and in the end; its total last."""
    with tqdm(condensation, initial=condensation.steps_done, file=io.StringIO(), mininterval=0) as bar:
        shown = [int(bar.n)]
        # A bar counts a step when it is asked for the next one.
        shown += [int(bar.n) for _ in bar]
        return [*shown, int(bar.n), int(bar.total)]


def test_a_bar_counts_the_inner_steps_of_the_run() -> None:
    assert bar_of(begun(0)) == [0, 0, 1, 2, 3, 4, 4]


def test_a_bar_goes_on_where_a_loop_was_left() -> None:
    condensation = begun(0)
    for number, _ in enumerate(tqdm(condensation, file=io.StringIO())):
        if number == 2:
            break
    assert condensation.steps_done == 3
    assert bar_of(condensation) == [3, 3, 4, 4]


def test_a_bar_goes_on_after_a_checkpoint(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "checkpoint", begun(3), 1.0)
    resumed = begun(0)
    checkpoint.restore(checkpoint.read(tmp_path / "checkpoint"), resumed)
    assert bar_of(resumed) == [3, 3, 4, 4]


def test_a_bar_counts_the_steps_of_all_groups() -> None:
    assert bar_of(begun(5, groups={"classes": 5})) == [5, 5, 6, 7, 8, 8]


@pytest.mark.parametrize("done", [0, 3])
def test_richs_bar_does_too(done: int) -> None:
    condensation = begun(done)
    # With its thread, rich forgets in the end what was complete before.
    progress = Progress(console=Console(file=io.StringIO()), auto_refresh=not done)
    with progress:
        list(progress.track(condensation, completed=condensation.steps_done))
    (task,) = progress.tasks
    assert (task.completed, task.total) == (4, 4)
    assert task.finished


def test_a_run_without_steps_has_an_empty_bar() -> None:
    assert bar_of(begun(0, iterations=0)) == [0, 0, 0]


def test_outside_of_notebooks_the_automatic_bar_is_the_plain_one() -> None:
    output = io.StringIO()
    list(auto(begun(0), file=output))
    assert "4/4" in output.getvalue()
