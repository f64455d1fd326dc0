"""``idc inspect``."""

import json
from pathlib import Path

import pytest
from PIL import Image

from command_line import names, refused, succeeded
from displayed import displayed
from idc.experiment.report import Report
from idc.files.tensorfile import Described
from idc.synset.header import read
from idc.synset.synset import Synset
from idc_cli.report.provenance import contents


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_a_synset_is_described(run: Path) -> None:
    for target in (run, run / "synset.safetensors"):
        names(
            succeeded("inspect", str(target)).stdout,
            "small (method idc, seed 0)",
            "2 of 2, inner steps 2",
            "80 from 2 stored per class",
            "1x8x8, values 0 to 1",
            "learning_rate 0.01",
            "name random",
            "protocol idc-2022",
            "1,280, 5,120 bytes",
            "10x2x1x8x8 F32",
        )
    found = json.loads(succeeded("inspect", str(run), "--json").stdout)
    assert found["tensors"]["images"]["shape"] == [10, 2, 1, 8, 8]
    assert (found["budget"], found["bytes"]) == (1280, 5120)
    assert found["pipeline"]["decoder"]["factor"] == 2


@pytest.mark.parametrize("groups", [{"classes": 0}, {"classes": "x"}, "x", {}])
def test_a_strange_header_is_described_all_the_same(run: Path, groups: object) -> None:
    header = read(run).header
    plan = {**header.pipeline, "groups": groups, "iterations": 3}
    found = Described(header.model_copy(update={"pipeline": plan}), {})
    facts = dict(contents(found))
    assert facts["iterations"].startswith("2 of 3, ")
    assert facts["stored numbers"].endswith("0 bytes")


def test_inspect_draws_a_picture(run: Path) -> None:
    shown = succeeded("inspect", str(run), "--image", "grid.png")
    assert shown.stderr == "wrote grid.png\n"
    assert size_of(Path("grid.png")) == (8 * 66 + 2 + 15, 10 * 66 + 2), "a column for the names"


def test_a_picture_that_cannot_be_written_is_one_clear_message(run: Path) -> None:
    names(refused("inspect", str(run), "--image", "grid.jpg"), "--image", "grid.jpg", ".png")
    Path("folder.png").mkdir()
    message = refused("inspect", str(run), "--image", "folder.png")
    names(message, "--image", "folder.png", "Is a directory", "choose another file")


def test_a_runs_synset_shows_its_scores_in_a_notebook(run: Path) -> None:
    report = Report.load(run)
    ours = [each for each in report.evaluations if each.synset == report.method]
    assert ours
    shown = displayed(Synset.load(run)).text
    for each in ours:
        assert f"{each.summary()} % (n {each.n}), " in shown
    (run / "report.json").write_text(report.model_copy(update={"iterations": 99}).model_dump_json())
    assert not Synset.load(run).scores, "of another run"
    (run / "report.json").write_text("{}")
    assert not Synset.load(run).scores
    (run / "report.json").unlink()
    assert "(n " not in displayed(Synset.load(run)).text
