"""Continual learning from the command line: tables, curves, refusals."""

from pathlib import Path
from typing import Any

import pytest

from command_line import names, refused, succeeded
from idc.experiment.report import Report
from idc.kinds.evaluation import Evaluation
from idc_cli.report.along import along
from idc_cli.terminal.scores import show_scores
from repository import PIPELINES

PRESET = PIPELINES / "digits-class-incremental.toml"
SHORT = {
    "iterations": 1,
    "dataset.limit": 20,
    "model.width": 4,
    "init": '{type="random"}',
    "networks.pool.networks": 1,
    "networks.pool.epochs": "[0, 1]",
    "networks.pool.min_batches": 1,
    "baseline": '[{name="random", draws=2, init.type="random", decoder.type="raw"}]',
    **{f"evaluate.{number}.epochs": 1 for number in range(3)},
    **{f"evaluate.{number}.runs": 2 for number in range(3)},
}


def settings(**changed: Any) -> list[str]:
    values = {**SHORT, **{key.replace("__", "."): value for key, value in changed.items()}}
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("incremental") / "run"
    return folder, succeeded("run", str(PRESET), *settings(), "--out", str(folder)).stdout


def test_scores_are_a_table_and_curves_another(printed: tuple[Path, str]) -> None:
    _, text = printed
    scores, curve = text.split("along the classes seen")
    for name in ("random", "fast", "all real images kept", "nothing kept"):
        assert name in scores
        assert name in curve
    assert "average incremental accuracy, %" in scores
    assert "forgetting" in scores
    assert next(each for each in curve.splitlines() if each.startswith("synset")).split()[3:8] == [
        *("2", "4", "6", "8", "10")
    ]


def test_the_report_holds_all_points_and_draws_them(printed: tuple[Path, str]) -> None:
    folder, _ = printed
    report, page = Report.load(folder), (folder / "report.html").read_text()
    for name, n in (("random", 4), ("fast", 2), ("all real images kept", 2), ("nothing kept", 2)):
        points = [each for each in report.evaluations if each.synset == name and each.at is not None]
        assert [each.at for each in points] == [2, 4, 6, 8, 10]
        assert {each.n for each in points} == {n}
        final = next(each for each in report.evaluations if each.synset == name and each.at is None)
        assert (final.metric, final.values) == ("accuracy", points[-1].values)
    assert 'aria-label="class-incremental, accuracy along the classes seen' in page
    assert "all real images kept" in page


def test_a_finished_run_scores_nothing_again(printed: tuple[Path, str]) -> None:
    folder, text = printed
    log = (folder / "log.jsonl").read_text()
    again = succeeded("run", str(PRESET), *settings(), "--out", str(folder)).stdout
    assert (folder / "log.jsonl").read_text() == log
    assert text.splitlines()[-2] in again


def test_what_an_interruption_left_of_the_scores_is_kept(printed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = printed
    whole = Report.load(folder)
    lines = (folder / "log.jsonl").read_text().splitlines()
    for kept in (-1, -2):
        cut = tmp_path / str(kept)
        cut.mkdir()
        for file in folder.iterdir():
            if file.name not in ("report.json", "report.html"):
                (cut / file.name).write_bytes(file.read_bytes())
        (cut / "log.jsonl").write_text("\n".join(lines[:kept]) + "\n")
        succeeded("run", str(PRESET), *settings(), "--out", str(cut), "--resume")
        assert Report.load(cut).evaluations == whole.evaluations


def test_a_synset_is_scored_again_with_its_bounds(printed: tuple[Path, str]) -> None:
    folder, _ = printed
    text = succeeded("evaluate", str(folder / "synset.safetensors"), "--runs", "1").stdout
    assert "all real images kept" in text


def test_runs_are_compared_with_their_curves(printed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = printed
    page = tmp_path / "compared.html"
    text = succeeded("compare", str(folder), "--html", str(page)).stdout
    assert "forgetting" in text
    assert "fast (digits-class-incremental)" in page.read_text()


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"evaluate__0__steps": 3}, ("evaluate.steps", "10 classes", "2, 5, 10")),
        ({"groups__classes": 5}, ("evaluate", "step 1 of 5", "groups.classes = 2")),
        ({"dataset__classes": '["0", "1", "9x"]'}, ("dataset.classes", "'9x'")),
        ({"dataset__class_order": -1}, ("dataset.class_order", "greater than or equal to 0")),
        ({"evaluate__0__learning": '"replay"'}, ("evaluate.0.learning", "'distillation' or 'gdumb'")),
    ],
)
def test_what_cannot_be_learned_step_by_step_is_refused(
    changed: dict[str, Any], parts: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    names(refused("run", str(PRESET), *settings(**changed), "--out", str(folder)), *parts)
    assert not folder.exists()


def evaluation(synset: str, at: float, value: float, protocol: str = "p") -> Evaluation:
    return Evaluation(
        type="class-incremental",
        protocol=protocol,
        model="m",
        metric="accuracy",
        along="classes seen",
        at=at,
        values=(value, value + 1),
        synset=synset,
    )


def test_synsets_of_several_protocols_share_a_plot_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    points = [evaluation("a", at, 10 * at) for at in (1, 2)]
    points += [evaluation("a", at, 5 * at, "other") for at in (1, 2)]
    points += [evaluation("b", at, 3 * at) for at in (1, 2)]
    (plot,) = along(points)
    for label in ("a, p, hard labels", "a, other, hard labels", ">b<"):
        assert label in plot.svg
    show_scores(points)
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in table if line][1:5] == ["synset", "a", "a", "b"]
