"""Which papers a pipeline cites."""

import re

import pytest

from idc.config.pipeline import Pipeline
from idc.config.presets import names
from idc.stages import papers
from idc.stages.evaluators.protocols import PROTOCOLS
from idc_augment.dsa import DSA

ENTRIES = {name: value for name, value in vars(papers).items() if name.isupper() and isinstance(value, str)}
ENTRY = re.compile(r"@(inproceedings|misc)\{(\w+),\n(?:  \w+ = \{.+\},?\n)+\}")


def keys(entries: tuple[str, ...]) -> list[str]:
    return [entry.partition("{")[2].partition(",")[0] for entry in entries]


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_bibtex(name: str) -> None:
    entry = ENTRIES[name]
    assert ENTRY.fullmatch(entry)
    assert entry.count("{") == entry.count("}")
    assert {"author", "title", "year"} <= set(re.findall(r"^  (\w+) =", entry, re.MULTILINE))


def test_keys_are_different() -> None:
    assert len(set(keys(tuple(ENTRIES.values())))) == len(ENTRIES) == len(set(ENTRIES.values()))


def test_all_protocols_have_a_paper() -> None:
    assert papers.PROTOCOLS.keys() == PROTOCOLS.keys()


def test_our_packages_agree_on_an_entry() -> None:
    assert DSA.bibtex == papers.DSA


@pytest.mark.parametrize(
    ("preset", "cited"),
    [
        ("digits", {"kim2022idc", "zhao2021dsa", "zhao2021dc"}),
        ("cifar10-ipc10-dc", {"zhao2021dc", "welling2009herding", "sener2018coreset"}),
        ("cifar10-ipc10-model-augmentation", {"zhang2023augmentation"}),
        ("fashion-mnist-ipc1-fast", {"liu2023dream", "zhang2024dance", "zhao2023dm"}),
        ("cifar10-ipc10-ncfm", {"wang2025ncfm"}),
        ("cifar10-ipc10-idm", {"zhao2023idm"}),
    ],
)
def test_a_pipeline_cites_what_its_tables_implement(preset: str, cited: set[str]) -> None:
    found = keys(Pipeline.load(preset).cited())
    assert cited <= set(found)
    assert len(found) == len(set(found))


def test_what_a_field_changes_is_cited_for_it() -> None:
    gdumb = Pipeline.load("digits-class-incremental").cited()
    assert "prabhu2020gdumb" in keys(gdumb)
    first = Pipeline.load("digits-class-incremental").evaluate[0]
    assert "prabhu2020gdumb" not in keys(first.cited())


def test_every_preset_cites_something() -> None:
    assert all(Pipeline.load(name).cited() for name in names())
