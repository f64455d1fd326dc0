"""The arithmetic of every preset, which ``idc presets`` lists: pretraining and condensing, no scoring.

    uv run python benchmarks/preset_arithmetic.py

It depends on the shape and number of the real images alone, so grey ones stand in for them. Nothing is
trained or condensed. Presets whose number of images depends on the user's own data are left out. Those that
the file has already are not computed again: after a change of a preset, remove its line.
"""

import json
import os
import tempfile

import torch

from idc.condensation.loop import condense
from idc.config.pipeline import Pipeline
from idc.config.presets import FOLDER, names
from idc.data.split import RealData, Split
from idc.experiment.estimate import estimate
from idc.kinds import Dataset
from idc.spec import ImageSpec
from idc.stages.datasets.digits import Digits
from idc.stages.datasets.imagenet import ImageNet
from idc.stages.initializers.random import Random

PUBLISHED = {
    "mnist": (60_000, 10, (1, 28, 28)),
    "fashion-mnist": (60_000, 10, (1, 28, 28)),
    "svhn": (73_257, 10, (3, 32, 32)),
    "cifar10": (50_000, 10, (3, 32, 32)),
    "cifar100": (50_000, 100, (3, 32, 32)),
    "tiny-imagenet": (100_000, 200, (3, 64, 64)),
    # Seven eighths of the recordings of mini Speech Commands, all of whose words have a thousand.
    "speech-commands": (7_000, 8, (1, 64, 64)),
    # Of SVHN, MNIST and USPS.
    "domains": (73_257 + 60_000 + 7_291, 30, (3, 32, 32)),
}
"""Training images, classes and shape."""
PER_IMAGENET_CLASS = {10: 1_300, 100: 300}
"""Of subsets of so many classes; with a hundred nothing depends on it, and they must fit into memory."""


def stand_in(dataset: Dataset) -> RealData | None:
    """Grey images like those of a dataset; None if their number is not known."""
    if isinstance(dataset, ImageNet):
        classes, size = len(dataset.wanted_classes()), dataset.size or 224
        count, shape = PER_IMAGENET_CLASS[classes] * classes, (3, size, size)
    elif dataset.type in PUBLISHED:
        count, classes, shape = PUBLISHED[str(dataset.type)]
    else:
        return None
    grey = (0.5,) * shape[0]
    spec = ImageSpec(
        channels=shape[0],
        height=shape[1],
        width=shape[2],
        classes=tuple(f"{label:03d}" for label in range(classes)),
        mean=grey,
        std=grey,
    )
    pixels = torch.full((1,), 128, dtype=torch.uint8).expand(count, *shape)
    # Known, because hashing a million grey images takes longer than all the rest.
    split = Split(pixels, torch.arange(count) % classes, spec, known_fingerprint="grey")
    return RealData(split, split.at(torch.arange(classes)))


def operations(name: str) -> float | None:
    """Of a preset, in full."""
    plan = Pipeline.load(name)
    digits = isinstance(plan.dataset, Digits)
    data = plan.dataset.load(FOLDER) if digits else stand_in(plan.dataset)
    if data is None:
        return None
    # What is selected first does not count, and is not needed for it.
    fields = {"init": Random(), "decoder": plan.decoder.unfitted(), "baseline": (), "evaluate": ()}
    found = estimate(condense(plan.model_copy(update=fields), data, device="cpu"), trial=False)
    return found.pretrain_operations + found.condense_operations


def main() -> None:
    """Complete the file beside the presets."""
    file = FOLDER / "arithmetic.json"
    found: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    # Pools that a cache holds would not be counted.
    with tempfile.TemporaryDirectory() as empty:
        os.environ["IDC_CACHE"] = empty
        for name in (name for name in names() if name not in found):
            needed = operations(name)
            print(name, "-" if needed is None else f"{needed:.3g}", flush=True)
            if needed is not None:
                found[name] = float(f"{needed:.3g}")
                text = json.dumps({name: found[name] for name in sorted(found)}, indent=1)
                file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
