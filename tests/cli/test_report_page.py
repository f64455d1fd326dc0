"""The pages that a run and a comparison leave."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from command_line import names, refused, succeeded
from idc.experiment.report import Report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture
def run(run_with_snapshots: Path) -> Path:
    return run_with_snapshots


class Elements(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.found and self.found[-1][0] == "td":
            self.cells.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.found if each == tag]


def test_a_report_shows_all_that_came_of_the_run(run: Path) -> None:
    page, report = Elements((run / "report.html").read_text()), Report.load(run)
    for each in report.evaluations:
        assert each.summary() in page.text
    assert "67.5" in page.text
    assert "herding" in page.text
    assert "a <paper>" in page.text, "escaped once"
    images = page.of("img")
    # Ten classes, of each two stored images and eight decoded.
    assert len(images) == 10 * (2 + 8)
    assert all((each["src"] or "").startswith("data:image/png;base64,") for each in images)
    assert all(each["alt"] for each in images)
    assert [each["aria-label"] for each in page.of("svg")] == ["Loss", "Gradient norms", "Scores, accuracy"]
    assert f"Synset.load({str(run)!r})" in page.text
    assert f"idc run {run / 'pipeline.toml'} --out {run}-again" in page.text
    assert 'type = "multiformation"' in page.text
    for fact in ("trained on", "versions", "stored tensors", "computed"):
        assert fact in page.text


def test_a_page_needs_no_network_and_no_script(run: Path) -> None:
    text = (run / "report.html").read_text()
    page = Elements(text)
    assert not page.of("script") + page.of("link") + page.of("iframe")
    assert "@import" not in text
    assert not re.findall(r"url\((?!#)", text), "styles load nothing"
    for _, attributes in page.found:
        for name in ("src", "href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert "prefers-color-scheme: dark" in text


def test_names_in_a_strangers_report_are_text(run: Path) -> None:
    report = Report.load(run)
    foreign = 'x" onload="alert(1)'
    points = [report.evaluations[1].model_copy(update={"along": foreign, "at": float(at)}) for at in range(3)]
    report.model_copy(update={"evaluations": (*report.evaluations, *points)}).save(run / "report.json")
    for command in (["report", str(run), "--out", "o.html"], ["compare", str(run), "--html", "o.html"]):
        succeeded(*command)
        page = Elements(Path("o.html").read_text())
        assert any(foreign in (each["aria-label"] or "") for each in page.of("svg"))
        assert not any("onload" in attributes for _, attributes in page.found)
        (policy,) = (each for each in page.of("meta") if "http-equiv" in each)
        assert (policy["content"] or "").startswith("default-src 'none'")


def test_each_of_several_metrics_says_its_own_unit(run: Path) -> None:
    report = Report.load(run)
    other = report.evaluations[1].model_copy(update={"metric": "rank correlation"})
    report.model_copy(update={"evaluations": (*report.evaluations, other)}).save(run / "report.json")
    succeeded("report", str(run), "--out", "o.html")
    text = Path("o.html").read_text()
    assert '<th scope="col" class="number">value</th>' in text
    assert "<td>accuracy, %</td>" in text
    assert "<td>rank correlation</td>" in text


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    succeeded("report", str(run), "--out", "again.html")
    assert Path("again.html").read_text() == (run / "report.html").read_text()


def test_snapshots_are_scored_apart(run: Path) -> None:
    report = Report.load(run)
    assert [each.iteration for each in report.snapshots] == [0, 2]
    assert [each.synset for each in report.evaluations] == ["random", "idc"]
    assert [path.name for path in sorted((run / "snapshots").iterdir())] == [
        f"{iteration:06d}.safetensors" for iteration in (0, 2, 4)
    ]


def test_a_report_is_of_a_finished_run(tmp_path: Path) -> None:
    names(refused("report", str(tmp_path)), str(tmp_path), "give the folder of a finished run")


def test_a_page_that_cannot_be_written_is_one_clear_message(run: Path, tmp_path: Path) -> None:
    for command, flag in (("report", "--out"), ("compare", "--html")):
        message = refused(command, str(run), flag, str(tmp_path))
        names(message, flag, str(tmp_path), "Is a directory", "choose another file")


def test_a_comparison_is_a_page_with_plots(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    better = Report.load(other).model_copy(update={"budget": 5000, "seconds": {"condense": 9.0}})
    better.save(other / "report.json")
    succeeded("compare", str(run), str(other), "--html", str(tmp_path / "both.html"))
    page = Elements((tmp_path / "both.html").read_text())
    assert [each["aria-label"] for each in page.of("svg")] == ["Budget", "Time"]
    for each in Report.load(run).evaluations:
        assert each.summary() in page.text
    assert str(other) in page.text
    assert not page.of("script")


def test_only_one_score_stands_beside_a_published_one(run: Path) -> None:
    succeeded("evaluate", str(run), "--models", "mlp", "--runs", "1", "--quiet")
    assert Elements((run / "report.html").read_text()).cells.count("67.5") == 1


def test_a_report_needs_its_pipeline(run: Path) -> None:
    (run / "pipeline.toml").unlink()
    names(refused("report", str(run)), str(run / "pipeline.toml"), "cannot be read")


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360])
def test_a_browser_without_scripts_shows_all_of_it(
    browser: "Browser", run: Path, scheme: str, width: int
) -> None:
    context = browser.new_context(
        java_script_enabled=False,
        color_scheme=scheme,  # pyright: ignore[reportArgumentType]
        viewport={"width": width, "height": 800},
    )
    page = context.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((run / "report.html").absolute().as_uri())
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    # Playwright looks from outside, so that the page's own scripts may stay off.
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "nothing is wider than the screen"
    broken = "[...document.images].filter(image => !(image.complete && image.naturalWidth)).length"
    assert page.evaluate(broken) == 0
    boxes = [drawing.bounding_box() for drawing in page.locator("svg").all()]
    assert all(box and box["width"] > 200 and box["height"] > 100 for box in boxes)
    assert _contrast(page.evaluate(COLOURS.format(element="document.querySelector('td')"))) > 7
    assert _contrast(page.evaluate(COLOURS.format(element="document.querySelector('svg text')"))) > 7
    assert _contrast(page.evaluate(COLOURS.format(element="document.querySelector('figcaption')"))) > 4.5
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (_luminance(paper) > 0.5) is (scheme == "light")
    context.close()


COLOURS = """[
    getComputedStyle({element})[({element}).tagName == 'text' ? 'fill' : 'color'],
    getComputedStyle(document.body).backgroundColor,
]"""


def _luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    channels = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(colours: list[str]) -> float:
    low, high = sorted(map(_luminance, colours))
    return (high + 0.05) / (low + 0.05)
