"""A run that several processes compute has the bits of one, wherever it is interrupted."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from idc.condensation import checkpoint
from idc.condensation.loop import Condensation, condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.kinds import ImageSpec, Streams, Tensors
from idc.runtime.processes import Processes
from idc.testing import ToyModel
from idc.testing.toy import Tinted
from process_group import run_together
from small import small_pipeline

SPEC = ImageSpec(channels=1, height=8, width=8, classes=tuple("abcde"), mean=(0.5,), std=(0.25,))
COUNTS = (3, 1, 2)
"""Of processes. Checkpoints of the first group are resumed by the others."""


METHODS: dict[str, dict[str, Any]] = {
    "idc": {"networks": {"type": "real", "images": 20, "every": 2}},
    "bound": {"decoder__bound": 4, "sampler__max_synthetic": 3},
    "dc": {"networks": {"type": "synthetic", "epochs": 2}, "optimizer__step": "joint"},
    "dm": {"networks": {"type": "frozen"}, "objective": {"type": "feature"}},
    "dsdm": {"networks": {"type": "frozen"}, "objective": {"type": "moments", "history": 0.5}},
    "dream": {"sampler": {"type": "k-means", "batch_size": 4, "interval": 2}},
    "groups": {"groups": {"classes": 2, "see": "so-far"}, "networks": {"type": "synthetic", "epochs": 1}},
    "adam": {"optimizer": {"type": "adam", "step": "class", "learning_rate": 0.01, "average": 1.0}},
}


def unequal(classes: int) -> RealData:
    """Classes of 8 to 14 images."""
    spec = SPEC.model_copy(update={"classes": SPEC.classes[:classes]})
    labels = torch.arange(classes).repeat_interleave(torch.tensor([14, 8, 9, 13, 10][:classes]))
    generator = Streams(0).generator("unequal")
    pixels = torch.randint(256, (len(labels), *spec.shape), dtype=torch.uint8, generator=generator)
    split = Split(pixels, labels, spec)
    return RealData(split, split)


def cases() -> Iterator[tuple[str, Pipeline, RealData]]:
    for name, settings in METHODS.items():
        plan = small_pipeline(iterations=2, baseline=[], **({"sampler__batch_size": 10} | settings))
        # Fewer classes than processes.
        yield name, plan.model_copy(update={"model": ToyModel()}), unequal(2 if name == "bound" else 5)
    shared = small_pipeline(iterations=2, baseline=[], init={"type": "random"}, optimizer__average=1.0)
    yield "shared", shared.model_copy(update={"model": ToyModel(), "decoder": Tinted()}), unequal(5)


def digest(tensors: Tensors) -> str:
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(name.encode() + tensors[name].contiguous().numpy().tobytes())
    return found.hexdigest()


def facts(run: Condensation, losses: list[float]) -> list[Any]:
    norms = run.gradient_norms()
    assert norms is not None
    return [digest(run.synset().codes), losses, float(norms.real), float(norms.synthetic)]


def whole_and_resumed(processes: Processes, folder: Path) -> dict[str, Any]:
    """For each method losses, codes and gradient norms of a run, and of one that resumes a checkpoint."""
    found: dict[str, Any] = {}
    for number, (name, plan, data) in enumerate(cases()):
        run, losses = condense(plan, data, device="cpu", processes=processes), list[float]()
        # Within an outer iteration, between two, and within those that share a network.
        # The groups where the second one ends.
        interrupted = 8 if name == "groups" else 1 + number % 3
        file = folder.parent / str(COUNTS[0]) / f"{name}.safetensors"
        for step in run:
            losses.append(float(step.loss))
            if run.steps_done == interrupted and processes.count == COUNTS[0]:
                checkpoint.save(file, run, 0.0)
        assert len(run.group.codes["images"]) == len(run.group.share.own)
        processes.meet()
        again = condense(plan, data, device="cpu", processes=processes)
        checkpoint.restore(checkpoint.read(file), again)
        rest = [float(step.loss) for step in again]
        found[name] = [facts(run, losses), facts(again, losses[:interrupted] + rest)]
    return found


@pytest.mark.slow
def test_any_number_of_processes_has_the_same_bits_also_after_resuming(tmp_path: Path) -> None:
    groups = run_together(whole_and_resumed, COUNTS, tmp_path)
    alone = {name: whole for name, (whole, _) in groups[COUNTS.index(1)][0].items()}
    assert len(alone) == len(METHODS) + 1
    assert len({found[0] for found in alone.values()}) == len(alone), "the methods differ"
    for group in groups:
        for found in group:
            assert found == {name: [whole, whole] for name, whole in alone.items()}
