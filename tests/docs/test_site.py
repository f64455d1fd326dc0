"""The documentation's site: it can be built, needs nothing from elsewhere, and says what there is."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import idc
import idc.kinds
import idc.testing
from idc.config.pipeline import Pipeline
from idc.table import Table
from repository import ROOT

from .documentation import module_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ELSEWHERE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
LOADED = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", re.IGNORECASE)
"""What a style sheet makes a browser fetch from elsewhere."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


FIELDS = module_of("fields")
TABLES: list[type[Table]] = [
    Pipeline,
    *(stage for kind in idc.kinds.KINDS.values() for stage in FIELDS.stages(kind)),
    *FIELDS.tables(),
]


class Fetched(HTMLParser):
    """Addresses that a browser fetches by itself when it shows a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in ("src", "srcset", "poster", "data", "style"):
            if name in given:
                self.addresses.append(given[name])
        if tag == "link" and given.get("rel") != "canonical":
            self.addresses.append(given["href"])


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > 10
    assert styles
    for page in pages:
        found = Fetched(page).addresses
        assert found
        assert not [address for address in found if ELSEWHERE.match(address)], page
    for file in (*pages, *styles):
        assert not LOADED.search(file.read_text()), file


@pytest.mark.slow
def test_links_stay_within_the_site(site: Path) -> None:
    for page in site.glob("*.html"):
        assert not re.findall(r"(?:href|src)=\"\.\./[^\"]*", page.read_text()), page


@pytest.mark.slow
def test_modules_of_the_build_are_not_pages(site: Path) -> None:
    assert not list(site.rglob("*.py"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_every_field_has_a_description(table: type[Table]) -> None:
    for name, field in table.model_fields.items():
        assert name == "type" or field.description, f"{table.__name__}.{name}"


@pytest.mark.slow
def test_the_page_of_fields_has_every_field_with_its_description(site: Path) -> None:
    sections = _sections(site / "fields.html")
    for table in TABLES:
        here = sections[FIELDS.anchor(table)]
        kinds = [FIELDS.anchor(kind) for kind in idc.kinds.KINDS.values() if issubclass(table, kind)]
        for name, field in table.model_fields.items():
            if name != "type":
                assert re.search(rf"\b{name}\b", here), f"{table.__name__}.{name}"
                # What all of a kind share is described once.
                described = here + "".join(sections[kind] for kind in kinds)
                assert _plain(field.description or "") in described, f"{table.__name__}.{name}"


@pytest.mark.slow
def test_the_page_of_fields_says_what_is_allowed(site: Path) -> None:
    text = _sections(site / "fields.html")["networks-real"]
    assert "images whole number from 0, default 500 Real images to train on" in text
    assert "pool table Start from" in text


def _sections(page: Path) -> dict[str, str]:
    _, *parts = re.split(r"<h[23] id=\"([^\"]+)\">", page.read_text())
    return {
        anchor: _plain(unescape(re.sub(r"<[^>]+>", "", text)))
        for anchor, text in zip(parts[::2], parts[1::2], strict=True)
    }


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").replace("*", "").split())


@pytest.mark.slow
def test_the_reference_has_every_public_name(site: Path) -> None:
    text = (site / "api.html").read_text()
    here = {name: each for name, each in vars(idc.kinds).items() if name in idc.kinds.__all__}
    kinds = [name for name, each in here.items() if getattr(each, "__module__", "").startswith("idc.kinds.")]
    assert len(kinds) > len(idc.kinds.KINDS)
    names = [f"idc.{name}" for name in idc.__all__]
    names += [f"idc.kinds.{name}" for name in kinds]
    names += [f"idc.testing.{name}" for name in idc.testing.__all__]
    for name in (*names, "idc.network.NetworkView", "idc.shapes.Batch"):
        assert f'id="{name}"' in text, name


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_page_read_from_the_disk_fetches_nothing_and_can_be_searched(site: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        fetched: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.keyboard.press("s")
        page.locator(".md-search__input").press_sequentially("multiformation")
        page.locator(".md-search-result__item").first.wait_for()
        assert "multiformation" in page.locator(".md-search-result__item").first.inner_text().lower()
        browser.close()
    assert fetched
    assert not [address for address in fetched if not address.startswith("file:")]
    assert not problems
