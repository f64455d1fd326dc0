"""A synset as a folder that a hub of datasets shows as it is, with a card that says what it is."""

import json
import shutil
import tempfile
from pathlib import Path

from idc.errors import InputError
from idc.experiment.report import Report
from idc.experiment.score_table import ScoreTable, score_tables
from idc.synset import header, pictures
from idc.synset.parquet import write_parquet
from idc.synset.synset import Synset
from idc_cli.report.provenance import contents, provenance
from idc_cli.report.template import render
from idc_cli.run_folder.folder import REPORT

CARD, PREVIEW = "README.md", "preview.png"
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
"""Number of images below which → the hub's category."""


def write_hub_folder(source: Path, out: Path) -> str:
    """Write a synset as a folder that ``datasets.load_dataset`` reads.

    In it are the images and labels as Parquet, a card with the scores and how the synset was made, a preview,
    the synset itself and, of a run, its report. Nothing is written before everything is.

    Args:
        source: a synset file, or the folder of a run.
        out: the folder; absent or empty.

    Returns:
        A phrase: how many images and classes were written.

    Raises:
        InputError: there is no synset, the folder is not empty, or the library ``datasets`` is not installed.
    """
    file = header.locate(source)
    synset = Synset.load(file)
    found = file.with_name(REPORT)
    report = Report.load(found) if source.is_dir() and found.exists() else None
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(f"{out}: is not an empty folder; remove it, or choose another")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
            made = Path(temporary) / "made"
            (made / "data").mkdir(parents=True)
            write_parquet(synset, made / "data/train-00000-of-00001.parquet")
            pictures.save(pictures.grid(synset, per_class=10), made / PREVIEW)
            shutil.copyfile(file, made / header.FILE)
            if report is not None:
                report.save(made / REPORT)
            (made / CARD).write_text(_card(file, synset, report), encoding="utf-8")
            made.replace(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another folder") from None
    return f"{len(synset)} images in {len(synset.spec.classes)} classes"


def _card(file: Path, synset: Synset, report: Report | None) -> str:
    described = header.read(file)
    plan = synset.header.pipeline
    name = f"{plan['name']}: {len(synset.spec.classes)} classes, {plan['images_per_class']} per class"
    return render(
        "card.md.j2",
        title=json.dumps(name),
        name=name,
        size=next((label for most, label in SIZES if len(synset) < most), "100K<n<1M"),
        task="audio" if synset.spec.content == "spectrogram" else "image",
        synset=synset,
        source=plan.get("dataset", {}).get("type", "unknown"),
        pictures=synset.spec.fits_pictures,
        tables=[_markdown(each) for each in score_tables(report.evaluations)] if report else [],
        preview=PREVIEW,
        file=header.FILE,
        facts=[(name, _cell(value)) for name, value in (*contents(described), *provenance(described))],
        pipeline=synset.pipeline.toml(),
        papers=dict.fromkeys([*synset.pipeline.cited(), *(report.papers if report else ())]),
    )


def _markdown(found: ScoreTable) -> str:
    """A table of scores with its heading and its note."""
    headings = [each.removesuffix(">") for each in found.columns]
    sides = ["---:" if each.endswith(">") else "---" for each in found.columns]
    rows = (headings, sides, *found.rows)
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    parts = [f"{found.heading}:" if found.heading else "", "\n".join(lines), found.note]
    return "\n\n".join(part for part in parts if part)


def _cell(text: str) -> str:
    """Text in a cell of a table: nothing in it is markup."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return escaped.replace("*", "\\*").replace("_", "\\_").replace("\n", " ")
