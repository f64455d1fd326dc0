"""The command line, as a user meets it."""

import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from command_line import idc
from idc.config.pipeline import Pipeline
from idc.experiment.report import Report
from idc.synset.header import read
from idc.synset.synset import Synset
from idc_cli.folder import default_folder
from idc_cli.typed import typed
from small import small_pipeline

OUTPUTS = {"pipeline.toml", "synset.safetensors", "report.json", "log.jsonl", "images.png"}
OUTPUTS |= {"checkpoint.safetensors", "report.html"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(small_pipeline().toml())


def refused(*arguments: str) -> str:
    """The message of a command that must fail with exit code 2, without a traceback."""
    before = sorted(Path().rglob("*"))
    result = idc(*arguments)
    assert result.exit_code == 2, result.output
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(Path().rglob("*")) == before, "something was written"
    return result.stderr.partition("error: ")[2].strip()


def same_but_for_the_time(first: Path, second: Path) -> bool:
    """Whether two runs' synsets are the same but for the seconds they took."""
    found = [read(folder).header.model_copy(update={"seconds": None}) for folder in (first, second)]
    assert found[0].tensors is not None
    return found[0] == found[1]


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


@pytest.fixture
def run(_in_an_empty_folder: None) -> Path:
    result = idc("run", "small.toml", "--device", "cpu", "--quiet")
    assert result.exit_code == 0, result.output
    return Path("runs/small")


def test_a_run_leaves_its_folder_and_prints_the_table() -> None:
    result = idc("run", "small.toml", "--device", "cpu")
    assert result.exit_code == 0, result.output
    folder = Path("runs/small")
    assert {path.name for path in folder.iterdir()} == OUTPUTS
    assert Pipeline.load(folder / "pipeline.toml") == small_pipeline()
    assert size_of(folder / "images.png")[1] == 10 * 66 + 2
    report = json.loads((folder / "report.json").read_text())
    assert [row["synset"] for row in report["evaluations"]] == ["random", "idc"]
    assert all(row["n"] == 2 for row in report["evaluations"])
    for row in Report.load(folder).evaluations:
        assert row.summary() in result.stdout
        assert row.budget == 10 * 2 * 64
    assert "saved in runs/small" in result.stdout
    for phase in ("choose baselines", "condense", "evaluate"):
        assert f"{phase}: done in" in result.stderr


def test_the_log_has_a_line_for_each_iteration_and_each_score(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["phase"] for entry in entries] == ["condense"] * 2 + ["evaluate"] * 2
    assert [entry.get("iteration") for entry in entries] == [1, 2, None, None]
    assert entries[0]["loss"] > 0


def test_the_same_pipeline_elsewhere_gives_the_same_bits(run: Path) -> None:
    assert idc("run", "small.toml", "--device", "cpu", "--out", "other", "--quiet").exit_code == 0
    assert same_but_for_the_time(Path("other"), run)


def test_a_finished_run_is_shown_again_not_run_again(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.iterdir()}
    copied = shutil.copytree(run, Path("copied"))
    again = idc("run", "small.toml", "--device", "cpu")
    assert again.exit_code == 0
    assert {path: path.read_bytes() for path in run.iterdir()} == before
    assert Report.load(run).evaluations[-1].summary() in again.stdout
    assert again.stderr == "runs/small holds this run, finished; --overwrite runs it again\n"
    anew = idc("run", "small.toml", "--device", "cpu", "--overwrite")
    assert "saved in runs/small" in anew.stdout
    assert same_but_for_the_time(run, copied)
    assert len((run / "log.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("damage", ["", "{}", None])
def test_an_unfinished_run_is_not_overwritten_unasked(run: Path, damage: str | None) -> None:
    if damage is None:
        (run / "report.json").unlink()
    else:
        (run / "report.json").write_text(damage)
    assert refused("run", "small.toml") == (
        "--out: runs/small holds an unfinished run of this pipeline; --resume goes on with it, and "
        "--overwrite begins anew"
    )


def test_another_run_is_not_overwritten_unasked(run: Path) -> None:
    there = ("--out", "runs/small", "--set", "seed=1")
    assert refused("run", "small.toml", *there) == (
        "--out: runs/small holds another run; choose another folder with --out, or replace it with "
        "--overwrite"
    )
    result = idc("run", "small.toml", *there, "--overwrite", "--quiet", "--device", "cpu")
    assert result.exit_code == 0
    assert tomllib.loads((run / "pipeline.toml").read_text())["seed"] == 1
    assert read(run).header.pipeline["seed"] == 1


def test_a_baseline_that_does_not_fit_is_found_before_anything_is_written() -> None:
    table = """baseline=[{name="many", init={type="mix"}, decoder={type="multiformation", factor=8}}]"""
    problem = refused("run", "small.toml", "--set", table, "--set", "images_per_class=3")
    assert problem.startswith("baseline 'many': images_per_class: class '0' has 143 training images")


def test_settings_are_validated_and_recorded() -> None:
    settings = ("--set", "name=other", "--set", "decoder.factor=1", "--set", "evaluate=[]")
    result = idc("run", "small.toml", *settings, "--quiet")
    assert result.exit_code == 0
    assert "nothing is scored, because the pipeline has no [[evaluate]]" in result.stderr
    assert read(Path("runs/other")).header.pipeline["decoder"]["factor"] == 1
    assert Report.load(Path("runs/other")).evaluations == ()
    assert "Nothing was scored" in Path("runs/other/report.html").read_text()


def test_runs_with_other_settings_have_folders_of_their_own(run: Path) -> None:
    seeds = [default_folder("small", {"seed": seed}) for seed in (1, 2)]
    assert seeds == [Path("runs/small-seed-1"), Path("runs/small-seed-2")]
    assert idc("run", "small.toml", "--set", "seed=1", "--quiet").exit_code == 0
    assert Report.load(seeds[0]) != Report.load(run)
    two = {"decoder.factor": 1, "seed": 1}
    assert default_folder("small", two) == default_folder("small", dict(reversed(two.items())))
    assert default_folder("small", {"iterations": 9}) == run, "so that a run can be made longer"
    assert default_folder("pets", {"name": "pets", "seed": 1}) == Path("runs/pets")
    tables = [default_folder("small", {"dataset": {"path": path}}).name for path in ("a b", "a+b", "x" * 200)]
    assert len(set(tables)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name) for name in tables)


# Shells start background jobs, a CI's for instance, with Ctrl-C ignored, and Python takes that over.
WITH_CTRL_C = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from idc_cli.main import app; app()"
)


def interrupted(*arguments: str, when: Callable[[], bool]) -> str:
    """What a run that gets Ctrl-C prints on standard error."""
    command = [sys.executable, "-c", WITH_CTRL_C, "run", "small.toml", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None and not when():
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    return errors


def test_an_interrupted_run_keeps_its_codes() -> None:
    log = Path("runs/small/log.jsonl")
    errors = interrupted(
        *("--set", "iterations=100000", "--device", "cpu"),
        when=lambda: log.exists() and log.read_text().count("\n") >= 2,
    )
    assert "of 100000 iterations; the codes so far are in runs/small/synset.safetensors" in errors
    assert Synset.load("runs/small").header.iterations >= 2


def test_an_interrupted_evaluation_says_how_to_go_on() -> None:
    # The log's third line is the first score, by which time evaluating has certainly begun.
    log = Path("runs/small/log.jsonl")
    errors = interrupted(
        *("--set", "baseline.0.draws=50", "--set", "evaluate.0.epochs=50", "--device", "cpu"),
        *("--out", "runs/small"),
        when=lambda: log.exists() and log.read_text().count("\n") >= 3,
    )
    assert "the synset is complete, in runs/small; " in errors
    again = "idc run runs/small/pipeline.toml --out runs/small --data data --device cpu"
    assert f"go on with: {typed([])}{again}" in errors
    assert Synset.load("runs/small").header.iterations == 2


def test_a_diverging_run_fails_with_exit_code_1() -> None:
    result = idc("run", "small.toml", "--set", "optimizer.learning_rate=1e30", "--quiet")
    assert result.exit_code == 1
    assert "not finite in iteration" in result.stderr


def test_inspect(run: Path) -> None:
    for target in (run, run / "synset.safetensors"):
        shown = idc("inspect", str(target)).stdout
        for fact in (
            "small (method idc, seed 0)",
            "2 of 2, inner steps 2",
            "80 from 2 stored per class",
            "1x8x8, values 0 to 1",
            "learning_rate 0.01",
            "name random",
            "protocol idc-2022",
            "1,280",
            "10x2x1x8x8 F32",
        ):
            assert fact in shown
    found = json.loads(idc("inspect", str(run), "--json").stdout)
    assert found["tensors"]["images"]["shape"] == [10, 2, 1, 8, 8]
    assert found["pipeline"]["decoder"]["factor"] == 2


def test_inspect_needs_neither_torch_nor_the_plugins(run: Path) -> None:
    program = (
        "import sys\n"
        "from idc_cli.main import app\n"
        "try:\n"
        "    app(['inspect', sys.argv[1]])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'idc.stages.decoders'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(run)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "multiformation" in done.stdout


def test_inspect_draws_a_picture(run: Path) -> None:
    shown = idc("inspect", str(run), "--image", "grid.png")
    assert shown.exit_code == 0
    assert shown.stderr == "wrote grid.png\n"
    assert size_of(Path("grid.png")) == (8 * 66 + 2 + 15, 10 * 66 + 2), "a column for the names"


def test_a_picture_that_cannot_be_written_is_one_clear_message(run: Path) -> None:
    assert refused("inspect", str(run), "--image", "grid.jpg") == "--image: grid.jpg must end in .png"
    Path("folder.png").mkdir()
    assert refused("inspect", str(run), "--image", "folder.png") == (
        "--image: cannot write folder.png (Is a directory); choose another file"
    )


def test_evaluate_repeats_the_scores_of_the_run(run: Path) -> None:
    (scored,) = json.loads(idc("evaluate", str(run), "--json", "--quiet", "--device", "cpu").stdout)
    (_, reported) = json.loads((run / "report.json").read_text())["evaluations"]
    assert scored == reported
    changed = idc("evaluate", str(run), "--set", "evaluate.0.runs=1", "--device", "cpu")
    assert changed.exit_code == 0
    assert "protocol: idc-2022 (changed: epochs 3)\n" in changed.stdout


def test_evaluate_changes_only_what_a_score_depends_on(run: Path) -> None:
    assert refused("evaluate", str(run), "--set", "decoder.factor=1") == (
        "--set decoder.factor: the synset is made already, so this would change nothing; allowed are keys of "
        "compile, dataset, evaluate, model, precision, seed"
    )


def test_evaluate_needs_an_evaluator() -> None:
    assert idc("run", "small.toml", "--out", "runs/small", "--set", "evaluate=[]", "--quiet").exit_code == 0
    assert refused("evaluate", "runs/small").startswith(
        "evaluate: there is no evaluator in the synset's pipeline"
    )


def test_compare(run: Path) -> None:
    assert idc("run", "small.toml", "--out", "runs/b", "--set", "seed=1", "--quiet").exit_code == 0
    shown = idc("compare", str(run), "runs/b").stdout
    for text in ("runs/small", "runs/b", "random", "idc", "1,280"):
        assert text in shown
    means = [
        next(each.mean for each in Report.load(folder).evaluations if each.synset == "idc")
        for folder in (run, Path("runs/b"))
    ]
    over = f"{statistics.fmean(means):.1f} ± {statistics.stdev(means):.1f}"
    assert re.search(rf"runs/small, runs/b +idc .* {over} +2\n", shown), "over the two seeds"
    assert "over seeds" not in idc("compare", str(run)).stdout
    both = json.loads(idc("compare", str(run), "runs/b", "--json").stdout)
    assert [each["run"] for each in both] == ["runs/small", "runs/b"]


def test_compare_passes_over_unfinished_runs(run: Path) -> None:
    unfinished = Path("runs/unfinished")
    unfinished.mkdir()
    (unfinished / "pipeline.toml").write_text("")
    shown = idc("compare", str(run), str(unfinished))
    assert shown.exit_code == 0
    assert shown.stderr == "runs/unfinished: passed over, because the run is not finished\n"
    assert "runs/unfinished" not in shown.stdout
    assert refused("compare", str(unfinished)).endswith(
        "none of these runs is finished and scored; give the folder of one that is"
    )


def test_protocols_that_differ_have_a_column(run: Path) -> None:
    other = ["--out", "runs/b", "--set", "evaluate.0.training.learning_rate=0.02"]
    assert idc("run", "small.toml", "--quiet", *other).exit_code == 0
    shown = idc("compare", str(run), "runs/b").stdout
    assert "idc-2022 (changed: epochs 3)" in shown
    assert "idc-2022 (changed: epochs 3, training.learning_rate 0.02)" in shown
    assert "protocol:" not in shown


def test_pretrain_makes_the_networks_that_a_run_starts_from() -> None:
    settings = [
        "--set",
        """networks.pretrained={path="nets", networks=2, first_epoch=1}""",
        "--device",
        "cpu",
    ]
    assert "make it with idc pretrain PIPELINE" in refused("run", "small.toml", *settings)
    assert idc("pretrain", "small.toml", *settings).stdout == "networks in nets: 2 trained, 0 there already\n"
    assert idc("pretrain", "small.toml", *settings).stdout == "networks in nets: 0 trained, 2 there already\n"
    assert len(list(Path("nets").glob("*.safetensors"))) == 2
    assert idc("run", "small.toml", "--quiet", *settings).exit_code == 0
    assert "nothing to pretrain" in refused("pretrain", "small.toml")


def test_a_preset_is_resolved_in_the_run_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("leaf.toml").write_text('extends = "small.toml"\nname = "leaf"\ndecoder.factor = 3\n')
    assert idc("run", "leaf.toml", "--quiet", "--device", "cpu").exit_code == 0
    resolved = tomllib.loads(Path("runs/leaf/pipeline.toml").read_text())
    assert "extends" not in resolved
    assert resolved["decoder"]["factor"] == 3
    assert read(Path("runs/leaf")).header.pipeline["objective"]["type"] == "gradient"


def test_plugins_lists_types_and_distributions() -> None:
    shown = idc("plugins").stdout
    for text in ("multiformation", "idc_example_plugin.flip:Flip", "idc-example-plugin 0.1.0"):
        assert text in shown
    listed = json.loads(idc("plugins", "--json").stdout)
    assert {"table": "init", "group": "idc.initializers", "type": "mix"}.items() <= next(
        each for each in listed if each["type"] == "mix"
    ).items()


def test_schema_is_json_schema() -> None:
    schema = json.loads(idc("schema").stdout)
    assert schema["properties"]["images_per_class"]["minimum"] == 1


def test_version() -> None:
    assert idc("--version").stdout.startswith("idc 0.1.0 (idc-core 0.1.0, torch ")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("objective.type=gradent", "objective: unknown type 'gradent'; did you mean 'gradient'?"),
        ("objective.metrc=l1", "objective.metrc: not a field of 'gradient'; did you mean 'metric'? (fields:"),
        ("images_per_class=0", "images_per_class: 0 is not allowed; it must be greater than or equal to 1"),
        ("images_per_class=100", "class '0' has 143 training images"),
        ("decoder.factor=9", "decoder.factor: 9 is larger than the image (8x8 pixels); allowed are 1, 2"),
        ("model.depth=9", "model.depth: 9 blocks halve 8x8 pixels to nothing; allowed are 1 to 3"),
        ('dataset={type="image-folder", path="pets", size=8}', "there is no folder data/pets/train"),
        ('dataset={type="fashion-mnist"}', "there is no folder data/FashionMNIST/raw"),
        ("nonsense", "'nonsense' is not KEY=VALUE"),
    ],
)
def test_bad_settings_are_one_clear_message(setting: str, message: str) -> None:
    assert message in refused("run", "small.toml", "--set", setting)


def test_bad_files_are_one_clear_message() -> None:
    assert refused("run", "absent.toml").startswith("absent.toml: no such file")
    Path("bad.toml").write_text("seed = 1\nimages_per_class = = 2\n")
    assert refused("run", "bad.toml") == ("bad.toml: not valid TOML: Invalid value (at line 2, column 20)")
    Path("bad.safetensors").write_bytes(b"x" * 100)
    for command in ("inspect", "evaluate"):
        assert "bad.safetensors: not a readable safetensors file" in refused(command, "bad.safetensors")
        assert "absent: no such file" in refused(command, "absent")
    assert refused("compare", "absent").startswith("absent: No such file or directory")


def test_a_truncated_synset_is_one_clear_message(run: Path) -> None:
    file = run / "synset.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for command in ("inspect", "evaluate"):
        assert "it may be truncated: fetch it again" in refused(command, str(run))


def test_an_absent_device_is_one_clear_message() -> None:
    assert "device: 'nosuch' cannot be used here" in refused("run", "small.toml", "--device", "nosuch")


def test_a_folder_that_cannot_be_written_is_one_clear_message() -> None:
    Path("file").write_text("in the way")
    assert refused("run", "small.toml", "--out", "file/run").startswith("--out: cannot write to file/run")


def test_curves_for_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert idc("run", "small.toml", "--tensorboard", "--set", "evaluate=[]", "--quiet").exit_code == 0
    (folder,) = Path("runs").glob("*/tensorboard")
    events = EventAccumulator(str(folder)).Reload()
    assert events.Tags()["scalars"] == ["loss", "gradient norm/real", "gradient norm/synthetic"]
    logged = [json.loads(line) for line in (folder.parent / "log.jsonl").read_text().splitlines()]
    drawn = [(event.step, pytest.approx(event.value)) for event in events.Scalars("loss")]
    assert drawn == [(entry["iteration"], entry["loss"]) for entry in logged]
    monkeypatch.setattr("idc_cli.condensing.find_spec", lambda name: None)
    assert refused("run", "small.toml", "--tensorboard").startswith("--tensorboard: TensorBoard is not ins")


def test_json_is_the_report_and_the_progress_in_objects() -> None:
    done = idc("run", "small.toml", "--json", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == json.loads(Path("runs/small/report.json").read_text())
    phases = [json.loads(line).get("phase") for line in done.stderr.splitlines()]
    assert {"condense", "evaluate"} <= set(phases)
    again = idc("run", "small.toml", "--json", "--device", "cpu")
    assert json.loads(again.stdout) == json.loads(done.stdout)
    assert "holds this run, finished" in json.loads(again.stderr)["message"]
