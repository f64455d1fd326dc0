"""Training and scoring leave no tensor on the CPU when the network and its images are elsewhere.

On ``meta``, operations on tensors of two devices are refused as on a GPU, and nothing is computed.
"""

from typing import Any

import pytest
import torch

from idc.data.split import Split
from idc.kinds import Augmentation, Model, Network, Streams
from idc.spec import ImageSpec
from idc.testing import ToyModel, toy_split
from idc.testing.assertions import META, computed_anywhere
from idc.testing.toy import SPEC
from idc.training.distillation import Distillation, Teacher
from idc.training.recipe import Training, hits
from installed_stages import by_type, installed, without_values

LARGE = SPEC.model_copy(update={"height": 32, "width": 32})
"""Images that are large enough for every network."""


def elsewhere(spec: ImageSpec = SPEC, *, soft: bool = False) -> Split:
    split = toy_split(spec=spec)
    labels = torch.nn.functional.one_hot(split.labels).float() if soft else split.labels
    return Split(split.pixels, labels, split.spec).to(META)


def fresh(split: Split, model: Model | None = None) -> Network:
    return (model or ToyModel()).fresh(split.spec, Streams(0), META)


def check(recipe: Training, split: Split, teacher: Teacher | None = None, model: Model | None = None) -> None:
    with computed_anywhere("training"):
        trained = recipe.steps(fresh(split, model), split, 2, teacher=teacher)
    state = (trained.weights, trained.buffers, *trained.optimizer.values())
    assert {tensor.device for tensors in state for tensor in tensors.values()} == {META}


@pytest.mark.parametrize(
    "fields",
    [{}, {"optimizer": "adamw"}, {"cutmix": 1.0}, {"temperature": 2.0}, {"cutmix": 1.0, "temperature": 2.0}],
    ids=str,
)
@pytest.mark.parametrize("soft", [False, True], ids=["hard", "soft"])
def test_training(fields: dict[str, Any], soft: bool) -> None:
    check(Training(batch_size=8, **fields), elsewhere(soft=soft))


def test_distillation() -> None:
    split = elsewhere()
    check(Training(batch_size=8), split, Teacher(fresh(split), Distillation()))


@pytest.mark.parametrize("stage", without_values("augment"), ids=by_type)
def test_augmentations(stage: Augmentation) -> None:
    check(Training(batch_size=8, augment=(stage,)), elsewhere())


@pytest.mark.parametrize("model", installed("model"), ids=by_type)
def test_models(model: Model) -> None:
    split = elsewhere(LARGE)
    check(Training(batch_size=8), split, model=model)
    with computed_anywhere("scoring"):
        assert hits(fresh(split, model), split, split.spec, batch_size=50).device == META
