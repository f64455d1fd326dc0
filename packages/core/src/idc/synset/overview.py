"""A synset at a glance: some of its images, what it stores and how it was made."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from idc.kinds.evaluation import Evaluation
from idc.notebook import Markup, Picture, line, panel, pictures, table
from idc.shapes import ClassNumbers, Images
from idc.synset.header import FILE, Header
from idc.synset.pixels import as_pictures, white

CLASSES, IMAGES = 10, 10
"""Maximum number of classes, and of images of each."""
LARGEST = 64
"""Pixels: larger images are scaled down to this."""
ON_SCREEN = 48
"""Pixels on the screen: smaller images are enlarged by a whole factor to at least this."""


def scores_beside(file: Path, header: Header) -> tuple[Evaluation, ...]:
    """The scores of a run's synset, from its report; none if the file is not a run's or has none."""
    if file.name != FILE:
        return ()
    try:
        report = json.loads(file.with_name("report.json").read_bytes())
        found = [Evaluation.model_validate(each) for each in report["evaluations"]]
        ours = header.made_by(report["method"], report["budget"], report["iterations"])
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    method = header.pipeline["method"]
    return tuple(each for each in found if ours and each.synset == method and each.listed)


def overview(
    header: Header,
    decoder: str,
    images: Images,
    class_numbers: ClassNumbers,
    scores: Sequence[Evaluation] = (),
) -> str:
    """The HTML of a synset, for notebooks.

    Args:
        header: of the synset.
        decoder: in words.
        images: all decoded images.
        class_numbers: the class of each.
        scores: that are known of it.
    """
    rows: list[tuple[str, Markup]] = []
    high = white(images, header.spec)
    for label, name in enumerate(header.spec.classes[:CLASSES]):
        some = as_pictures(images[class_numbers == label][:IMAGES], header.spec, high)
        found = (_embedded(image, f"image {number} of {name}") for number, image in enumerate(some, 1))
        rows.append((name, pictures(found)))
    left_out = _left_out(header)
    return panel(
        f"Synset {header.pipeline['method']}",
        table(("", ""), [*_facts(header, decoder), *map(_score, scores)]),
        table(("", ""), rows),
        *([line(left_out)] if left_out else []),
    )


def _facts(header: Header, decoder: str) -> list[tuple[str, str]]:
    plan, spec = header.pipeline, header.spec
    classes, stored = len(spec.classes), int(plan["images_per_class"])
    dataset: Any = plan.get("dataset")
    source = f"{dataset['type']}: " if isinstance(dataset, Mapping) and "type" in dataset else ""
    seconds = [] if header.seconds is None else [f"{header.seconds:,.1f} s"]
    device = [] if header.computed is None else [f"on {header.computed.device}"]
    made = [f"{header.iterations:,} outer iteration{_s(header.iterations)}", *seconds, *device]
    return [
        ("method", str(plan["method"])),
        ("dataset", f"{source}{classes:,} classes, images of {'x'.join(map(str, spec.shape))}"),
        ("stored", f"{header.budget:,} numbers, {stored:,} image{_s(stored)} per class"),
        (
            "decoded",
            f"{header.images:,} images, {header.images // classes:,} per class, {header.labels} labels, by "
            f"{decoder}",
        ),
        ("made in", ", ".join(made)),
    ]


def _score(each: Evaluation) -> tuple[str, str]:
    unit = " %" if each.metric.startswith("accuracy") else ""
    return each.metric, f"{each.summary()}{unit} (n {each.n}), {each.model}, {each.recipe}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _left_out(header: Header) -> str:
    """What the images shown are of all; empty if they are all, and as large."""
    classes = len(header.spec.classes)
    per_class = header.images // classes
    height, width = header.spec.height, header.spec.width
    parts = [f"the first {IMAGES} of {per_class:,} images per class"] if per_class > IMAGES else []
    parts += [f"the first {CLASSES} of {classes:,} classes"] if classes > CLASSES else []
    parts += [f"scaled down from {width}x{height} pixels"] if max(height, width) > LARGEST else []
    return f"Shown: {', '.join(parts)}." if parts else ""


def _embedded(image: Image.Image, shows: str) -> Picture:
    if max(image.size) > LARGEST:
        image = image.copy()
        image.thumbnail((LARGEST, LARGEST))
    written = io.BytesIO()
    image.save(written, format="PNG", optimize=True)
    factor = max(1, -(-ON_SCREEN // max(image.size)))
    return Picture(written.getvalue(), factor * image.width, factor * image.height, shows)
