"""The matches of a sweep: one after another or several at once, with whatever memory there is."""

import re
import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from idc.condensation import inner_step as matching
from idc.condensation.class_match import ClassMatch, Matched
from idc.condensation.inner_step import FewerClasses, Matching
from idc.condensation.loop import condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.errors import InputError, RunError
from idc.kinds import Model
from idc.network.network import Network
from idc.network.view import NetworkView
from idc.runtime.device import moved_together
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc.shapes import Codes
from idc.spec import ImageSpec
from idc.synset.codes import decode_class
from idc.testing import ToyModel, toy_split
from idc.training.preprocessing import Preprocessing
from small import small_pipeline

CLASSES = tuple("abcdef")
SPEC = ImageSpec(channels=3, height=8, width=8, classes=CLASSES, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def uneven_split() -> Split:
    """Two classes have fewer images than a batch."""
    split = toy_split(12, SPEC)
    kept = torch.ones(len(split), dtype=torch.bool)
    for label in (1, 4):
        kept[split.members[label][5:]] = False
    return Split(split.images()[kept].double(), split.labels[kept], SPEC)


def in_double(plan: Pipeline, at_once: int) -> tuple[Matching, Network, Codes]:
    """A pipeline's matching, a network and codes, all in float64 and without kinks."""
    split, streams = uneven_split(), Streams(0)
    with streams.seeded("weights"):
        network = Network.of(ToyModel().build(SPEC).double(), streams)
    codes = {"images": torch.rand(6, 2, 3, 8, 8, generator=streams.generator("codes"), dtype=torch.float64)}
    decoded = len(decode_class(plan.decoder, codes, 0, 2, SPEC))
    preprocessing = Preprocessing(SPEC, plan.augment, dtype=torch.float64)
    return (
        Matching(plan, split, preprocessing, streams, decoded, range(len(split.spec.classes)), at_once),
        network,
        codes,
    )


PLANS: dict[str, dict[str, Any]] = {
    "idc": {},
    "all of DiffAug": {"augment": [{"type": "dsa", "strategy": "flip_color_crop_scale_rotate_cutout"}]},
    "cosine of all weights": {"objective": {"type": "gradient", "metric": "cos", "fc": True, "bias": True}},
    "features": {"objective": {"type": "feature", "layers": [0, 1]}},
    "sum": {
        "objective": {
            "type": "sum",
            "terms": [
                {"weight": weight, "objective": {"type": name}}
                for name, weight in (
                    ("attention", 0.5),
                    ("mmd", 2.0),
                    ("moments", 1.0),
                    ("cross-entropy", 3.0),
                )
            ],
        }
    },
    "subsampled": {"sampler": {"type": "epoch", "batch_size": 8, "max_synthetic": 3}},
}


# torch has no batching rule for the grid of scaled and rotated images, and loops.
@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("changes", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("at_once", [2, 6, 100])
def test_classes_matched_at_once_are_as_those_matched_one_after_another(
    changes: dict[str, Any], at_once: int
) -> None:
    plan = small_pipeline(**changes)
    alone, network, codes = in_double(plan, 1)
    together, _, _ = in_double(plan, at_once)
    for step in (0, 5):
        gradients, distance, _ = alone(network, codes, step)
        found, same, _ = together(network, codes, step)
        torch.testing.assert_close(same, distance, rtol=1e-10, atol=0.0)
        torch.testing.assert_close(found["images"], gradients["images"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_is_remembered_of_classes_matched_at_once_is_their_own(compiled: bool) -> None:
    plan = small_pipeline(objective={"type": "moments", "history": 3.0, "history_from": 1})
    alone, network, codes = in_double(plan, 1)
    together, _, _ = in_double(plan, 6)
    _, _, old = alone(network, codes, 0)
    assert sorted(old) == list(range(6))
    assert all(sorted(each) == ["mean", "steps"] for each in old.values())
    gradients, distance, kept = alone(network, codes, 1, remembered=old)
    assert not torch.allclose(distance, alone(network, codes, 1).distances), "the history counts"
    with Execution(compile=compiled).active():
        found, same, others = together(network, codes, 1, remembered=old)
    torch.testing.assert_close(same, distance, rtol=1e-10, atol=0.0)
    torch.testing.assert_close(found["images"], gradients["images"], rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(others, kept, rtol=1e-10, atol=0.0)
    assert all(not tensor.requires_grad for each in kept.values() for tensor in each.values())


# Large graphs: half a minute of the compiler for each.
@pytest.mark.slow
@pytest.mark.parametrize("at_once", [1, 6])
def test_compiled_matches_are_exact_in_double_precision(at_once: int) -> None:
    plan = small_pipeline(sampler__batch_size=5)
    matched, network, codes = in_double(plan, at_once)
    gradients, distance, _ = matched(network, codes, 0)
    with Execution(compile=True).active():
        found, same, _ = matched(network, codes, 0)
    torch.testing.assert_close(same, distance, rtol=1e-10, atol=0.0)
    torch.testing.assert_close(found["images"], gradients["images"], rtol=1e-10, atol=1e-12)


def test_a_class_draws_the_same_whatever_the_others_do() -> None:
    plan = small_pipeline()
    matched, _, _ = in_double(plan, 1)
    labels = range(6)
    seen, again, later = (list(matched.draws(labels, step, {}).values()) for step in (3, 3, 4))
    assert [each.real.tolist() for each in seen] == [each.real.tolist() for each in again]
    assert [len(each.real) for each in seen] == [8, 5, 8, 8, 5, 8]
    assert any(
        not torch.equal(a.draws[0].parameters[name], b.draws[0].parameters[name])
        for a, b in zip(seen, later, strict=True)
        for name in a.draws[0].parameters
    )


class Dropping(Model):
    type: str = "dropping"

    def build(self, spec: ImageSpec) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(144, 6))


def test_what_cannot_be_mapped_over_classes_is_matched_one_after_another() -> None:
    matched, _, codes = in_double(small_pipeline(), 6)
    with Streams(0).seeded("weights"):
        network = Network.of(Dropping().build(SPEC).double(), Streams(0))
    with pytest.warns(FewerClasses, match=r"^4 classes .* at once \(.*\); .*\b1\b"):
        found, *_ = matched(network, codes, 0)
    alone, _, _ = in_double(small_pipeline(), 1)
    assert torch.equal(found["images"], alone(network, codes, 0)[0]["images"])


class Scarce(ClassMatch):
    """Fails like a GPU that is full while more classes are mapped than it holds."""

    holds = 0

    def __call__(self, view: NetworkView, codes: Codes, *others: Any) -> Matched:
        images: Tensor = codes["images"]
        held = torch._C._functorch.maybe_get_bdim(images) >= 0  # pyright: ignore
        classes = len(torch._C._functorch.get_unwrapped(images)) if held else 1  # pyright: ignore
        if classes > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 7 GiB\nGPU 0 has 6 GiB")
        return super().__call__(view, codes, *others)


class ScarceForTwo(Scarce):
    holds = 1


def test_too_little_memory_is_answered_by_fewer_classes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, network, codes = in_double(small_pipeline(), 1)
    expected, *_ = alone(network, codes, 0)
    monkeypatch.setattr(matching, "ClassMatch", ScarceForTwo)
    matched, _, _ = in_double(small_pipeline(), 4)
    with pytest.warns(FewerClasses) as said:
        found, *_ = matched(network, codes, 0)
    torch.testing.assert_close(found["images"], expected["images"], rtol=1e-10, atol=1e-12)
    assert len(said) == 2
    for classes, each in zip((4, 2), said, strict=True):
        reason = r"\(CUDA out of memory. Tried to allocate 7 GiB\)"
        assert re.match(rf"{classes} classes .* {reason}.*\b{classes // 2}\b", str(each.message))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matched(network, codes, 1)


def test_too_little_memory_for_one_class_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "ClassMatch", Scarce)
    with pytest.raises(RunError, match=r"memory.* one class \(CUDA.* 7 GiB\); lower sampler\.batch_size"):
        list(condense(small_pipeline(), device="cpu"))


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_class_at_once_is_refused(count: int) -> None:
    with pytest.raises(InputError, match=rf"^classes_at_once: {count} .*'auto' or .*\b1$"):
        condense(small_pipeline(), device="cpu", classes_at_once=count)


def test_a_run_with_several_classes_at_once() -> None:
    pipeline = small_pipeline(iterations=1).model_copy(update={"model": ToyModel()})
    alone, together = (condense(pipeline, device="cpu", classes_at_once=classes) for classes in (1, 4))
    for run in (alone, together):
        list(run)
    torch.testing.assert_close(together.codes()["images"], alone.codes()["images"], rtol=1e-4, atol=1e-6)


def test_the_order_of_the_classes_does_not_matter() -> None:
    """The codes of a class do not depend on those matched before it (step = "class")."""
    split = toy_split(12, SPEC)
    data = RealData(split, split)
    pipeline = small_pipeline(iterations=1, inner_steps=1).model_copy(update={"model": ToyModel()})
    run = condense(pipeline, data, device="cpu")
    start = run.codes()["images"].clone()
    next(run)
    other = condense(pipeline, data, device="cpu")
    other.group.codes = {"images": torch.cat([start[:5], torch.rand_like(start[5:])])}
    next(other)
    assert torch.equal(other.codes()["images"][:5], run.codes()["images"][:5])
    assert not torch.equal(other.codes()["images"][5:], run.codes()["images"][5:])


def test_tensors_moved_together_stay_what_they_are() -> None:
    tensors = [torch.rand(2, 3), torch.arange(4), torch.rand(()), torch.tensor([True, False]), torch.rand(0)]
    for device in ("cpu", "meta"):
        moved = moved_together(tensors, torch.device(device))
        assert [(t.shape, t.dtype, t.device.type) for t in moved] == [
            (t.shape, t.dtype, device) for t in tensors
        ]


def test_networks_differ_by_what_they_compute() -> None:
    network = Network.of(ToyModel().build(SPEC), Streams(0))
    other = Network.of(ToyModel().build(SPEC), Streams(0))
    assert network.architecture != other.architecture, "a module by itself is like no other"
    fresh = [ToyModel().fresh(SPEC, Streams(seed)) for seed in (0, 1)]
    assert fresh[0].architecture == fresh[1].architecture
    assert replace(network, batches=3).architecture == network.architecture
