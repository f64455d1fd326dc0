"""What the documentation shows is true: its files exist, its tables are whole, its numbers were printed."""

import re
import tomllib
from pathlib import Path

import pytest
import torch
from typer.main import get_command

from idc.config.pipeline import Pipeline
from idc.experiment.report import Report
from idc.kinds import KINDS, Dataset, registry
from idc.stages.datasets.image_dataset import ImageDataset
from idc.synset.header import Header
from idc_cli.main import app
from repository import ROOT

from .documentation import PAGES, blocks, title


def test_every_page_has_blocks_that_are_found() -> None:
    assert blocks(ROOT / "README.md", "python")
    found = blocks(ROOT / "docs/plugins.md", "python", "toml")
    assert [block.file.removeprefix("examples/plugin/") for block in found if block.file] == [
        "pyproject.toml",
        "src/idc_example_plugin/logit.py",
        "src/idc_example_plugin/flip.py",
        "tests/test_plugin.py",
    ]


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_blocks_that_name_a_file_are_that_file(page: Path) -> None:
    for block in blocks(page, "python", "toml"):
        if block.file:
            assert block.text == (ROOT / block.file).read_text(), f"{page.name} shows another {block.file}"


@pytest.mark.parametrize("page", PAGES, ids=title)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "bash")], ids=title)
def test_commands_that_are_not_run_have_the_options_shown(page: Path) -> None:
    commands = getattr(get_command(app), "commands")  # noqa: B009 (typer has no type for a group)
    shown = "".join(block.text for block in blocks(page, "bash")).replace("\\\n", " ")
    lines = re.findall(r"\bidc ([a-z]+)(.*)", shown)
    assert lines
    for name, rest in lines:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= options, f"idc {name}{rest}"


def test_the_readmes_toml_is_a_pipeline_and_that_of_the_quick_start() -> None:
    (block,) = blocks(ROOT / "README.md", "toml")
    shown = tomllib.loads(block.text)
    Pipeline.parse(shown)
    whole = tomllib.loads((ROOT / "pipelines/digits.toml").read_text())
    for key, value in shown.items():
        if isinstance(value, dict):
            assert value.items() <= whole[key].items(), key
        else:
            assert whole[key] == value


def test_the_readme_lists_every_installed_type_of_ours() -> None:
    text = (ROOT / "README.md").read_text()
    for table, kind in KINDS.items():
        (row,) = (line for line in text.splitlines() if re.match(rf"\| `\[+{table}\]+` \|", line))
        for each in registry.installed(kind.group):
            if each.distribution != "idc-example-plugin":
                assert f"`{each.type}`" in row, row


def test_the_readmes_table_is_what_the_committed_run_printed() -> None:
    printed = (ROOT / "benchmarks/results/quickstart.txt").read_text()
    for page in ("README.md", "docs/quickstart.md"):
        (shown,) = (each for each in blocks(ROOT / page, "text") if "saved in" in each.text)
        assert shown.text in printed


def test_the_estimate_and_the_example_are_what_the_committed_run_printed() -> None:
    printed = (ROOT / "benchmarks/results/quickstart.txt").read_text()
    (shown,) = blocks(ROOT / "docs/reports.md", "text")
    assert shown.text in printed
    (accuracy,) = re.findall(r"`(.+ real test images)`", (ROOT / "docs/synsets.md").read_text())
    assert accuracy in printed


def test_the_table_of_methods_is_what_the_committed_benchmark_printed() -> None:
    printed = (ROOT / "benchmarks/results/compare_methods.txt").read_text()
    (shown,) = blocks(ROOT / "docs/reproducing.md", "text")
    assert shown.text in printed


def test_the_tables_of_the_later_methods_are_what_the_committed_benchmark_printed() -> None:
    printed = (ROOT / "benchmarks/results/methods.txt").read_text()
    shown = [block.text for block in blocks(ROOT / "docs/methods.md", "text")]
    assert len(shown) >= 6
    assert all(text.strip() and text in printed for text in shown)


def test_the_numbers_of_speed_are_what_the_committed_benchmarks_printed() -> None:
    shown = [block.text for block in blocks(ROOT / "docs/speed.md", "text")]
    printed = [path.read_text().strip() for path in (ROOT / "benchmarks/results").glob("*.txt")]
    assert len(shown) == 8
    assert all(text.strip() in printed for text in shown)


def test_the_ratios_of_processes_are_what_the_committed_benchmark_printed() -> None:
    printed = (ROOT / "benchmarks/results/processes.txt").read_text()
    shown = [block.text for block in blocks(ROOT / "docs/processes.md", "text")]
    assert len(shown) == 2
    assert all(text.strip() and text in printed for text in shown)


def test_the_numbers_of_data_are_what_the_committed_benchmarks_printed() -> None:
    printed = "".join(path.read_text() for path in (ROOT / "benchmarks/results").glob("*.txt"))
    shown = [block.text for block in blocks(ROOT / "docs/data.md", "text")]
    assert len(shown) == 3
    assert all(text.strip() and text in printed for text in shown[1:])


def test_the_tables_of_running_are_what_the_committed_scripts_printed() -> None:
    printed = "".join(path.read_text() for path in (ROOT / "benchmarks/results").glob("*.txt"))
    shown = [block.text for block in blocks(ROOT / "docs/running.md", "text")]
    assert len(shown) == 2
    assert all(text.strip() and text in printed for text in shown)


def test_the_tables_of_data_are_datasets_and_every_field_is_documented() -> None:
    page = (ROOT / "docs/data.md").read_text()
    for block in blocks(ROOT / "docs/data.md", "toml"):
        Dataset.model_validate(tomllib.loads(block.text)["dataset"])
    for each in registry.installed(Dataset.group):
        assert f"`{each.type}`" in page
    for name in ImageDataset.model_fields:
        assert name == "type" or f"`{name}`" in page, name


def test_every_header_and_report_field_is_documented() -> None:
    text = (ROOT / "docs/artifact.md").read_text()
    for name in (*Header.model_fields, *Report.model_fields):
        assert re.search(rf"`{name}[`.\[]", text), name


def test_the_example_pipeline_uses_the_plugin() -> None:
    pipeline = Pipeline.load(ROOT / "examples/plugin/flip-logit.toml")
    assert (pipeline.decoder.type, pipeline.objective.type) == ("flip", "logit")


def test_the_plugin_condenses(tmp_path: Path) -> None:
    from idc.condensation.loop import condense

    pipeline = Pipeline.load(ROOT / "examples/plugin/flip-logit.toml", {"iterations": 1, "inner_steps": 3})
    condensation = condense(pipeline, root=tmp_path, device="cpu")
    losses = [float(step.loss) for step in condensation]
    synset = condensation.synset()
    assert len(synset) == 20
    assert torch.equal(synset.images[0].flip(-1), synset.images[1])
    assert losses[-1] != losses[0]
