"""The tables of the benchmarks are pipelines, and the gallery is what its command writes."""

import importlib
import json
import re
import sys
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from idc.kinds import KINDS
from repository import ROOT

BENCHMARKS = ROOT / "benchmarks"
FILES = sorted(BENCHMARKS.rglob("*.toml"))
REQUIRED = {name for name, field in Pipeline.model_fields.items() if field.is_required()}


def _benchmark(name: str) -> ModuleType:
    """A module of the benchmarks, which are scripts and in no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(BENCHMARKS))


METHODS = _benchmark("methods")
CARDS = _benchmark("gallery_cards")
PAGE = _benchmark("gallery_page")
ALL_CARDS = [*CARDS.methods(), *CARDS.decoders()]


def check(file: Path) -> bool:
    """Read a file with all that it extends, and validate it if it is a whole pipeline; whether it is."""
    table = read_table(file)
    # Of some stages a part says only a field, and leaves the type to what it is laid over.
    untyped = (name for name in REQUIRED & KINDS.keys() if not KINDS[name].default_type)
    whole = table.keys() >= REQUIRED and all("type" in table[name] for name in untyped)
    if whole:
        Pipeline.load(file)
    return whole


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(BENCHMARKS)))
def test_a_file_is_a_pipeline_or_a_part_of_one(file: Path) -> None:
    check(file)


def test_some_are_whole() -> None:
    assert sum(map(check, FILES)) > 10


def test_a_missing_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "best.toml"
    file.write_text('extends = "../../pipelines/base/best.toml"\n')
    with pytest.raises(InputError, match=r"there is no file .*best\.toml"):
        check(file)


@pytest.mark.parametrize("part", METHODS.PARTS)
def test_every_case_of_methods_is_a_pipeline(part: str) -> None:
    cases = list(METHODS.PARTS[part]())
    assert cases
    for case, dataset, images_per_class in product(cases, METHODS.DATASETS, METHODS.BUDGETS):
        plan = METHODS.pipeline(METHODS.Job(case, dataset, images_per_class, 1, 0.0, ""))
        assert (plan.images_per_class, plan.seed) == (images_per_class, 1)


@pytest.mark.parametrize("card", ALL_CARDS, ids=lambda card: card.name)
def test_a_card_of_the_gallery_is_like_the_others_but_for_its_tables(card: Any) -> None:
    plan, other = CARDS.pipeline(card, 1), CARDS.pipeline(ALL_CARDS[-1], 1)
    same = {"images_per_class", "seed", "precision", "compile", "dataset", "model", "evaluate", "labels"}
    assert {name: getattr(plan, name) for name in same} == {name: getattr(other, name) for name in same}
    assert (plan.iterations > 0) is (card.name not in CARDS.BASELINES)
    own = PAGE.PAPERS.get(card.name)
    assert own is None or own in plan.cited()


def test_decoders_are_stepped_as_in_methods_but_for_the_average_of_fast() -> None:
    rates = {
        decoder: METHODS.pipeline(
            METHODS.Job(METHODS.Case("", "", ("dance", decoder)), "fashion-mnist", 1, 0, 0.0, "")
        )
        for decoder in METHODS.DECODERS
    }
    for card in ALL_CARDS:
        plan = CARDS.pipeline(card)
        if card.name != "fast":
            assert plan.optimizer == rates[plan.decoder.type].optimizer, card.name


def test_a_card_that_shows_the_runs_of_another_has_its_tables() -> None:
    for card in ALL_CARDS:
        (other,) = (each for each in ALL_CARDS if each.name == card.run)
        assert CARDS.pipeline(card) == CARDS.pipeline(other)


def test_the_gallery_is_what_its_command_writes() -> None:
    lines = [json.loads(line) for line in (BENCHMARKS / "results/gallery.jsonl").read_text().splitlines()]
    gallery = _benchmark("gallery")
    page = PAGE.page(CARDS.methods(), CARDS.decoders(), lines, gallery.SECONDS)
    assert (ROOT / "docs/gallery.md").read_text() == page
    pictures = [*(ROOT / "docs/gallery").iterdir()]
    assert {picture.name for picture in pictures} == {f"{card.run}.png" for card in ALL_CARDS}
    assert sum(picture.stat().st_size for picture in pictures) < 500_000


def test_scores_of_recommendations_are_in_some_result() -> None:
    printed = "".join(path.read_text() for path in (BENCHMARKS / "results").glob("*.txt"))
    printed += (ROOT / "docs/gallery.md").read_text()
    shown = re.findall(r"(\d+\.\d) ± (\d+\.\d)", (ROOT / "docs/which.md").read_text())
    assert len(shown) > 10
    # Some tables have a column for each of both.
    missing = [each for each in shown if not re.search(rf"\b{each[0]} (?:±| +) *{each[1]}\b", printed)]
    assert not missing
