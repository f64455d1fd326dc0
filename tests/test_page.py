"""The pages that a run and a comparison leave."""

import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from command_line import idc
from idc.experiment.report import Report
from idc.experiment.score import evaluate as scores_of
from idc.kinds.evaluation import Evaluation
from idc_cli.lock import Lock
from small import small_pipeline

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PUBLISHED = [{"synset": "idc", "accuracy": 67.5, "source": "a <paper>"}]
PUBLISHED += [{"synset": "herding", "accuracy": 41.7, "source": "another"}]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    pipeline = small_pipeline(iterations=4, inner_steps=10, snapshot_every=2, published=PUBLISHED)
    (folder / "small.toml").write_text(pipeline.toml())
    done = idc("run", str(folder / "small.toml"), "--out", str(folder / "run"), "--device", "cpu", "--quiet")
    assert done.exit_code == 0, done.output
    return folder / "run"


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


def refused(*arguments: str) -> str:
    result = idc(*arguments)
    assert result.exit_code == 2, result.output
    return result.stderr.partition("error: ")[2].strip()


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


def test_the_same_run_gives_the_same_page(run: Path, tmp_path: Path) -> None:
    assert idc("report", str(run), "--out", str(tmp_path / "again.html")).exit_code == 0
    assert (tmp_path / "again.html").read_text() == (run / "report.html").read_text()


def test_snapshots_are_scored_apart(run: Path) -> None:
    report = Report.load(run)
    assert [each.iteration for each in report.snapshots] == [0, 2]
    assert [each.synset for each in report.evaluations] == ["random", "idc"]
    assert [path.name for path in sorted((run / "snapshots").iterdir())] == [
        f"{iteration:06d}.safetensors" for iteration in (0, 2, 4)
    ]


def test_a_report_is_of_a_finished_run(tmp_path: Path) -> None:
    assert refused("report", str(tmp_path)).endswith("give the folder of a finished run")


def test_a_page_that_cannot_be_written_is_one_clear_message(run: Path, tmp_path: Path) -> None:
    assert refused("report", str(run), "--out", str(tmp_path)).startswith(
        f"--out: cannot write {tmp_path} (Is a directory)"
    )
    assert refused("compare", str(run), "--html", str(tmp_path)).startswith(
        f"--html: cannot write {tmp_path} (Is a directory)"
    )


def test_a_comparison_is_a_page_with_plots(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(run, other)
    better = Report.load(other).model_copy(update={"budget": 5000, "seconds": {"condense": 9.0}})
    better.save(other / "report.json")
    done = idc("compare", str(run), str(other), "--html", str(tmp_path / "both.html"))
    assert done.exit_code == 0, done.output
    page = Elements((tmp_path / "both.html").read_text())
    assert [each["aria-label"] for each in page.of("svg")] == ["Budget", "Time"]
    for each in Report.load(run).evaluations:
        assert each.summary() in page.text
    assert str(other) in page.text
    assert not page.of("script")


def test_scores_taken_later_are_merged_into_the_report(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    before = Report.load(folder).evaluations
    done = idc(
        "evaluate", str(folder), "--models", "convnet,mlp", "--runs", "1", "--device", "cpu", "--quiet"
    )
    assert done.exit_code == 0, done.output
    assert f"saved in {folder / 'report.json'}" in done.stderr
    header, row, foot = done.stdout.splitlines()
    assert "convnet (depth=2, width=4)" in header, "the pipeline's own network, not one of the same name"
    assert "mlp" in header
    assert row.startswith("idc")
    assert foot.startswith("accuracy, %, n 1; protocol: idc-2022")
    after = Report.load(folder).evaluations
    assert [(each.synset, each.model, each.n) for each in after] == [
        ("random", before[0].model, 2),
        ("idc", before[0].model, 2),
        ("idc", "mlp", 1),
    ]
    assert after[1] == before[1], "one of the same two networks says no more than both"
    assert "mlp" in (folder / "report.html").read_text()


def test_scores_of_baselines_can_be_taken_with_them(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    quick = ["--runs", "1", "--baselines", "--no-save", "--json", "--quiet", "--device", "cpu"]
    done = idc("evaluate", str(folder), *quick)
    assert done.exit_code == 0, done.output
    assert '"synset": "random"' in done.stdout
    assert Report.load(folder) == Report.load(run)


def test_scores_of_a_file_alone_are_written_beside_it(run: Path, tmp_path: Path) -> None:
    shutil.copy(run / "synset.safetensors", tmp_path / "pets.safetensors")
    assert idc("evaluate", str(tmp_path / "pets.safetensors"), "--runs", "1", "--quiet").exit_code == 0
    assert (tmp_path / "pets.evaluations.json").exists()


def test_scores_that_cannot_be_compared_are_not_merged(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    done = idc("evaluate", str(folder), "--runs", "1", "--set", "seed=5", "--quiet")
    assert "not saved, because seed makes them incomparable" in done.stderr
    assert Report.load(folder) == Report.load(run)


def test_scores_of_another_synset_in_the_folder_are_not_the_runs(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    shutil.copy(folder / "snapshots/000000.safetensors", folder / "other.safetensors")
    for name, kept in (("other", "other.evaluations.json"), ("synset", "synset.evaluations.json")):
        if name == "synset":
            shutil.copy(folder / "other.safetensors", folder / "synset.safetensors")
        done = idc("evaluate", str(folder / f"{name}.safetensors"), "--runs", "1", "--quiet")
        assert f"saved in {folder / kept}" in done.stderr, done.output
    assert Report.load(folder) == Report.load(run)


def test_scores_that_cannot_be_saved_are_printed_all_the_same(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "report.json").write_text("{}")
    done = idc("evaluate", str(folder), "--runs", "1", "--quiet")
    assert done.exit_code == 0
    assert "note: the scores are not saved in" in done.stderr
    assert "not a report of idc" in done.stderr
    assert "idc" in done.stdout
    with Lock(folder)._lock:  # pyright: ignore[reportPrivateUsage]
        done = idc("evaluate", str(folder), "--runs", "1", "--quiet")
    assert done.exit_code == 0
    assert "is being written to by another process" in done.stderr


def test_what_an_interruption_leaves_of_scoring_is_kept(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)

    def interrupted(*arguments: Any, **named: Any) -> Iterator[Evaluation]:
        yield next(scores_of(*arguments, **named))
        raise KeyboardInterrupt

    monkeypatch.setattr("idc_cli.evaluate.evaluations_of", interrupted)
    done = idc("evaluate", str(folder), "--models", "mlp,convnet", "--runs", "1", "--quiet")
    assert done.exit_code == 130
    assert [each.model for each in Report.load(folder).evaluations][-1] == "mlp"


def test_only_one_score_stands_beside_a_published_one(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    assert idc("evaluate", str(folder), "--models", "mlp", "--runs", "1", "--quiet").exit_code == 0
    assert Elements((folder / "report.html").read_text()).cells.count("67.5") == 1


def test_a_report_without_its_pipeline_is_one_clear_message(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "pipeline.toml").unlink()
    assert refused("report", str(folder)).startswith(f"{folder / 'pipeline.toml'}: cannot be read")


def test_a_merged_report_keeps_what_differs_in_kind() -> None:
    def one(model: str, value: float, protocol: str = "p") -> Evaluation:
        return Evaluation(
            type="retrain", protocol=protocol, model=model, metric="accuracy", values=(value,), synset="idc"
        )

    twice = (one("a", 1.0), one("b", 2.0), one("b", 2.5))
    report = Report.model_construct(evaluations=twice)
    merged = report.merged([one("a", 3.0), one("a", 4.0, "q"), one("c", 5.0)])
    assert [(each.model, each.protocol, each.mean) for each in merged.evaluations] == [
        ("a", "p", 3.0),
        ("a", "q", 4.0),
        ("b", "p", 2.0),
        ("b", "p", 2.5),
        ("c", "p", 5.0),
    ]


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
