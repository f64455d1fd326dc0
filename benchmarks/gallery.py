"""A card for every method and every decoder on the embedded digits: what they look like, score and cost.

    uv run python benchmarks/gallery.py

makes the runs that have no line in results/gallery.jsonl yet, one after the other on one thread, and writes
docs/gallery/NAME.png and docs/gallery.md. Each run condenses for the same CPU seconds of its own (initial
codes and fits included, the pool of networks apart), whatever a step costs, and trains one network on the
result under one protocol; the score is that of the last epoch. What makes a method is in
benchmarks/gallery/NAME.toml, and what is the same for all in benchmarks/gallery/same.toml. If interrupted,
call it again. ``--page`` writes the page alone.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gallery_cards import Card, decoders, methods, pipeline
from gallery_page import page

HERE = Path(__file__).parent
ROOT = HERE.parent
LINES = HERE / "results" / "gallery.jsonl"
PICTURES = ROOT / "docs" / "gallery"
CACHE = ROOT / "runs" / "gallery-cache"
"""Of the pools, so that each is trained here once, where its time is taken."""
SECONDS = 10.0
"""CPU seconds of condensing."""
SEEDS = (0, 1, 2)
PER_CLASS = 4
"""Images of a class in a picture, at most."""
ENLARGED, GAP = 3, 2
"""How many times as large a pixel is in a picture; pixels between two images."""


def run(card: Card, seed: int, real: Any) -> dict[str, Any]:
    """Condense for `SECONDS`, and score; the line of a run."""
    from idc import condense
    from idc.experiment.estimate import estimate
    from idc.experiment.score import evaluate

    plan = pipeline(card, seed)
    if plan.iterations:
        # The first step reads the pool and sets up the operators, which no clock counts.
        next(condense(plan.override({"decoder": {"type": "raw"}, "init": {"type": "noise"}}), real))

    began = time.process_time()
    condensation = condense(plan, real)
    initial = time.process_time() - began
    expected = estimate(condensation, trial=False)
    began = time.process_time() - initial
    for step in condensation:
        del step
        if time.process_time() - began >= SECONDS:
            break
    synset = condensation.synset()
    spent = time.process_time() - began
    (found,) = evaluate(synset, real, plan)
    if seed == SEEDS[0]:
        _save_picture(synset, card)
    each = expected.condense_operations / max(expected.steps, 1)
    return {
        "key": [card.run, seed],
        "accuracy": found.values[0],
        "protocol": found.protocol,
        "cpu_seconds": round(spent, 2),
        "initial_seconds": round(initial, 2),
        "steps": condensation.steps_done,
        "gigaflop": round(each * condensation.steps_done / 1e9, 2),
        "numbers": synset.header.budget,
        "images": len(synset),
        "pool": _pool(plan, real),
        "machine": _machine(),
    }


def _save_picture(synset: Any, card: Card) -> None:
    """Digits side by side, and below each other the images of each."""
    from PIL import Image

    from idc.synset.pictures import decoded, save

    columns = [decoded(synset, label, PER_CLASS) for label in range(len(synset.spec.classes))]
    width, height = (ENLARGED * size + GAP for size in (synset.spec.width, synset.spec.height))
    rows = max(map(len, columns))
    picture = Image.new("L", (len(columns) * width - GAP, rows * height - GAP), "white")
    for column, images in enumerate(columns):
        for row, image in enumerate(images):
            large = image.convert("L").resize((width - GAP, height - GAP), Image.Resampling.NEAREST)
            picture.paste(large, (column * width, row * height))
    PICTURES.mkdir(exist_ok=True)
    save(picture, PICTURES / f"{card.run}.png")


def _pool(plan: Any, real: Any) -> str | None:
    """What identifies the pool of a card, if it has one; its folder's name."""
    if not plan.iterations:
        return None
    from idc.condensation.pretraining import Pretraining

    files = [network.file for network in Pretraining.of(plan, real.train).networks()]
    return files[0].parent.name if files else None


def train_pool(card: Card, real: Any, known: set[str]) -> dict[str, Any] | None:
    """Train a card's pool, and its line, if there is a pool without one; else what is missing of it."""
    from idc import condense
    from idc.condensation.pretraining import Pretraining
    from idc.experiment.estimate import estimate

    plan = pipeline(card)
    pool = _pool(plan, real)
    if pool is None:
        return None
    wanted = pool not in known
    for network in Pretraining.of(plan, real.train).networks() if wanted else ():
        network.file.unlink(missing_ok=True)
    condensation = condense(plan, real)
    expected = estimate(condensation, trial=False)
    began = time.process_time()
    condensation.pretrain()
    spent = time.process_time() - began
    if not wanted:
        return None
    return {
        "key": ["pool", pool],
        "cpu_seconds": round(spent, 2),
        "gigaflop": round(expected.pretrain_operations / 1e9, 2),
        "machine": _machine(),
    }


def _machine() -> str:
    import torch

    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} thread"


def done() -> list[dict[str, Any]]:
    """All lines so far."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def missing(seeds: list[int]) -> Iterator[tuple[Card, int]]:
    """Runs without a line or a picture, those of one seed together, so that a part of them is a page too."""
    known = {tuple(line["key"]) for line in done()}
    for seed in seeds:
        for card in (card for card in [*methods(), *decoders()] if card.run == card.name):
            pictured = seed != SEEDS[0] or (PICTURES / f"{card.run}.png").exists()
            if (card.run, seed) not in known or not pictured:
                yield card, seed


def compute(seeds: list[int]) -> None:
    """Make the runs that are missing, and append their lines."""
    import torch

    from idc_cli.allocator import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(1)
    real = pipeline(methods()[0]).dataset.load(ROOT / "data")
    wanted = list(missing(seeds))
    for count, (card, seed) in enumerate(wanted, 1):
        pools = {line["key"][1] for line in done() if line["key"][0] == "pool"}
        known = {tuple(line["key"]) for line in done()}
        for line in (train_pool(card, real, pools), run(card, seed, real)):
            if line and tuple(line["key"]) not in known:
                with LINES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                print(f"{count}/{len(wanted)}", json.dumps(line), flush=True)


def main() -> None:
    """Make the runs that are missing, and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", nargs="*", type=int, choices=SEEDS, default=list(SEEDS))
    parser.add_argument("--page", action="store_true", help="only write the page of what is done")
    given = parser.parse_args()
    # Before torch is imported.
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["IDC_CACHE"] = str(CACHE)
    if not given.page:
        compute(given.seeds)
    (ROOT / "docs" / "gallery.md").write_text(page(methods(), decoders(), done(), SECONDS), encoding="utf-8")


if __name__ == "__main__":
    main()
