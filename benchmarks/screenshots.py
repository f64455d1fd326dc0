"""What the documentation shows of the report and of its own site, as a real browser draws them.

    uv run idc run pipelines/digits.toml && uv run mkdocs build && uv run python benchmarks/screenshots.py

Needs Chromium.
"""

import shutil
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
REPORT, SITE = ROOT / "runs/digits/report.html", ROOT / "site"
SHOTS = (
    (REPORT, "docs/report.png", 1000, 1750, "light"),
    (REPORT, "docs/report-dark.png", 1000, 1750, "dark"),
    (REPORT, "docs/report-phone.png", 390, 1750, "light"),
    (SITE / "index.html", "benchmarks/results/site-home.png", 1200, 900, "light"),
    (SITE / "fields.html", "benchmarks/results/site-fields.png", 1200, 900, "dark"),
)
"""Page, picture, size in pixels, colours."""


def shoot(browser: Browser, page: Path, picture: Path, width: int, height: int, colours: str) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=colours,  # pyright: ignore[reportArgumentType]
    )
    shown = context.new_page()
    shown.goto(page.as_uri())
    shown.screenshot(path=picture)
    context.close()
    print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")


def main() -> None:
    """Take them all."""
    chromium = shutil.which("chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for page, picture, width, height, colours in SHOTS:
            shoot(browser, page, ROOT / picture, width, height, colours)
        browser.close()


if __name__ == "__main__":
    main()
