"""Soft labels of finished codes by a pool's networks: what they are, what they cost, who gets them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from idc import Synset, baselines, condense, evaluate
from idc.condensation import checkpoint
from idc.condensation.loop import Condensation
from idc.config.pipeline import Pipeline
from idc.data import cache
from idc.errors import InputError
from idc.kinds import Batch, RealData
from idc.stages.labellers.teacher import Teacher
from idc.testing import ToyModel, toy_split
from idc.training.pool import Pool
from idc.training.preprocessing import Preprocessing
from idc.training.recipe import Training
from idc.training.soft_labels import teacher_logits
from messages import assert_names
from pools import pretrained
from small import small_pipeline

MODEL, SPLIT = ToyModel(), toy_split()
DATA = RealData(SPLIT, toy_split(seed=1))
POOL: dict[str, Any] = {"networks": 3, "epochs": [0, 2], "training": {"batch_size": 8}}
LABELS = {"type": "teacher", "pool": POOL}


def teacher(**fields: Any) -> Teacher:
    return Teacher.model_validate({"pool": POOL, **fields})


def given_by(**fields: Any) -> torch.Tensor:
    pretrained(*teacher(**fields).pools())
    return teacher(**fields).logits(SPLIT.batch(), MODEL, SPLIT)


def votes() -> torch.Tensor:
    """Logits of each network of the pool at its last age, (networks, images, classes)."""
    pool = Pool.model_validate(POOL)
    pretrained(pool)
    images = Preprocessing(SPLIT.spec, device=SPLIT.device)(SPLIT.images())
    found: list[torch.Tensor] = []
    for pooled in pool.load(MODEL, SPLIT):
        network = pooled.networks[1]
        with torch.no_grad(), network.evaluating():
            found.append(network.logits(images))
    return torch.stack(found)


def labelled(**overrides: object) -> Pipeline:
    pipeline = small_pipeline(augment=[], labels=LABELS, **overrides)
    # Images with soft labels are not mixed.
    return pipeline.override({"evaluate.0.training.cutmix": 0.0})


def run_of(**overrides: object) -> Condensation:
    return condense(labelled(**overrides), DATA, device="cpu")


def finished(run: Condensation) -> Synset:
    for _ in run:
        pass
    return run.synset()


def test_labels_are_the_mean_logits_of_the_pools_trained_networks() -> None:
    each = votes()
    assert not torch.allclose(each[0], each[1]), "the networks differ"
    torch.testing.assert_close(given_by(), (each[0] + each[1] + each[2]) / 3)
    torch.testing.assert_close(given_by(networks=2), (each[0] + each[1]) / 2)
    torch.testing.assert_close(given_by(networks=1), each[0])


def test_the_temperature_divides_them() -> None:
    torch.testing.assert_close(given_by(temperature=4.0), given_by() / 4)
    torch.testing.assert_close(given_by(temperature=0.5), 2 * given_by())


def test_wrong_guesses_are_kept_or_one_hot() -> None:
    # Half of the labels are swapped, so that the networks are certainly wrong about some.
    labels = SPLIT.labels.clone()
    labels[::2] = 1 - labels[::2]
    batch = Batch(SPLIT.batch().images, labels)
    pretrained(*teacher().pools())
    kept = teacher().logits(batch, MODEL, SPLIT)
    torch.testing.assert_close(kept, given_by())
    wrong = kept.argmax(1) != labels
    assert 0 < int(wrong.sum()) < len(wrong)
    one_hot = teacher(wrong="one-hot").logits(batch, MODEL, SPLIT)
    assert torch.equal(one_hot, teacher_logits(kept, labels))
    assert torch.equal(one_hot[wrong], torch.nn.functional.one_hot(labels[wrong], 2).float())
    assert torch.equal(one_hot[~wrong], kept[~wrong])


def test_more_voters_than_networks_are_refused() -> None:
    with pytest.raises(InputError) as error:
        run_of(labels__networks=4)
    assert_names(str(error.value), "labels.networks: 4", "labels.pool.networks = 3", "at most 3")
    assert not list(cache.folder().rglob("network-*")), "nothing was trained"


def test_an_unfit_pool_is_named_as_that_of_the_labels() -> None:
    with pytest.raises(InputError) as error:
        run_of(labels__pool__epochs=[0, 0.001])
    assert_names(str(error.value), "labels: pool.epochs", "0 and 0.001", "leave one out")


def test_soft_labels_are_stored_counted_and_read_again(tmp_path: Path) -> None:
    run = run_of()
    hard = run.synset(labelled=False)
    assert (hard.header.labels, hard.header.budget) == ("hard", 2 * 2 * 3 * 8 * 8)
    synset = finished(run)
    images, classes = 2 * 2 * 4, 2
    assert synset.header.labels == "soft"
    assert synset.header.budget == hard.header.budget + images * classes
    assert set(run.codes()) == {"images"}, "the labels are no codes of the run"
    of_images = teacher().logits(Batch(synset.images, synset.class_numbers), run.pipeline.model, SPLIT)
    torch.testing.assert_close(synset.labels, of_images.softmax(1))

    synset.save(tmp_path / "soft.safetensors")
    again = Synset.load(tmp_path / "soft.safetensors")
    assert torch.equal(again.labels, synset.labels)
    assert torch.equal(again.images, synset.images)
    assert again.header == synset.header
    assert again.class_numbers.tolist() == [0] * 8 + [1] * 8


def test_not_all_images_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(iterations=0)
    together = run.synset()
    given: list[int] = []
    original = Teacher.logits

    def logits(self: Teacher, images: Batch, *rest: Any) -> torch.Tensor:
        given.append(len(images))
        return original(self, images, *rest)

    monkeypatch.setattr(Teacher, "logits", logits)
    monkeypatch.setattr("idc.condensation.soft_labels.AT_ONCE", 1)
    torch.testing.assert_close(run.synset().labels, together.labels)
    assert given == [8, 8]


def test_training_uses_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    synset = finished(run_of())
    seen: list[torch.Tensor] = []
    original = Training.steps

    def steps(self: Training, network: Any, split: Any, *rest: Any) -> Any:
        seen.append(split.labels)
        return original(self, network, split, *rest)

    monkeypatch.setattr(Training, "steps", steps)
    (score,) = evaluate(synset, DATA, device="cpu")
    assert (score.labels, score.budget) == ("soft", synset.header.budget)
    assert score.recipe == f"{score.protocol}, soft labels"
    assert seen
    assert all(torch.equal(each, synset.labels) for each in seen)


def test_a_resumed_run_gives_the_same_labels(tmp_path: Path) -> None:
    begun, resumed = run_of(), run_of()
    next(begun)
    checkpoint.save(tmp_path / "checkpoint.safetensors", begun, 0.0)
    checkpoint.restore(checkpoint.read(tmp_path / "checkpoint.safetensors"), resumed)
    whole, later = finished(run_of()), finished(resumed)
    assert whole.codes.keys() == later.codes.keys() == {"images", "soft_labels"}
    assert all(torch.equal(whole.codes[name], later.codes[name]) for name in whole.codes)


def test_the_pool_of_the_networks_is_trained_once() -> None:
    run = run_of(networks={"type": "between", "pool": POOL})
    said = run.pretrain()
    assert said is not None
    assert "networks trained: 3" in said
    assert ";" not in said, "the labels have nothing left to train"
    assert len(list(cache.folder().rglob("network-*.safetensors"))) == 3
    assert run.pretrain() is None
    finished(run)
    assert len(list(cache.folder().rglob("network-*.safetensors"))) == 3


def test_an_own_pool_of_the_labels_is_trained_too() -> None:
    other = {**POOL, "networks": 1, "epochs": [1]}
    run = run_of(networks={"type": "between", "pool": POOL}, labels__pool=other)
    said = run.pretrain()
    assert said is not None
    assert_names(said, "networks trained: 3", "; ", "networks trained: 1")


@pytest.mark.parametrize("place", ["decoder", "baseline.0.decoder"])
def test_labels_that_are_soft_already_are_refused(place: str) -> None:
    pipeline = small_pipeline(labels=LABELS, init__type="random", decoder={"type": "raw"})
    with pytest.raises(InputError) as error:
        pipeline.override({f"{place}.labels": "soft"})
    assert_names(str(error.value), "labels.type = 'teacher'", place, "raw", "labels.type = 'hard'")


def test_cutmix_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(InputError) as error:
        condense(small_pipeline(augment=[], labels=LABELS), DATA, device="cpu")
    assert_names(str(error.value), "evaluate: ", "'idc-2022'", "0.5", "training.cutmix = 0", "hard labels")
    assert not list(cache.folder().rglob("network-*")), "nothing was trained"


def test_baselines_get_labels_by_the_same_networks() -> None:
    pipeline = labelled()
    (baseline,) = baselines(pipeline, DATA, device="cpu")
    assert (baseline.name, baseline.header.labels) == ("random", "soft")
    assert baseline.header.budget == 2 * 2 * (3 * 8 * 8 + 2)
    of_images = teacher().logits(Batch(baseline.images, baseline.class_numbers), pipeline.model, SPLIT)
    torch.testing.assert_close(baseline.labels, of_images.softmax(1))
