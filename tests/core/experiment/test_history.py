"""What a condensation was like: losses, and norms of the network's gradients."""

from dataclasses import astuple

import pytest
import torch

from idc.condensation.loop import Condensation, condense
from idc.data.split import Split
from idc.errors import Notice
from idc.experiment.history import STEPS_PER_ITERATION_WITH_NORMS, recorded, scalars
from idc.experiment.report import Iteration
from idc.network.view import NetworkView
from idc.shapes import Batch
from idc.synset.codes import decode
from idc.training.preprocessing import Preprocessing
from small import small_pipeline


def condensation(**overrides: object) -> Condensation:
    return condense(small_pipeline(evaluate=[], baseline=[], **overrides), device="cpu")


def test_iterations_have_the_mean_loss_and_norms_after_the_first_and_the_last_step() -> None:
    run, plain = condensation(inner_steps=3), condensation(inner_steps=3)
    finished = [iteration for _, iteration in recorded(run)]
    losses = [float(step.loss) for step in plain]
    assert [each is None for each in finished] == [True, True, False] * 2
    iterations = [each for each in finished if each]
    assert [(each.iteration, each.steps) for each in iterations] == [(1, 3), (2, 3)]
    assert iterations[1].loss == pytest.approx(sum(losses[3:]) / 3, rel=1e-6)
    assert iterations[0].first_norms
    assert iterations[0].last_norms
    assert iterations[0].first_norms != iterations[0].last_norms
    for code, unseen in zip(run.codes().values(), plain.codes().values(), strict=True):
        assert torch.equal(code, unseen), "looking changes nothing"


def test_norms_are_those_of_what_the_sweep_saw() -> None:
    # Without augmentation and with one batch of everything, so that they can be computed by hand.
    run = condensation(augment=[], sampler={"type": "epoch", "batch_size": 100_000})
    next(run)
    found = run.gradient_norms()
    assert found is not None
    network = run.group.state.network
    assert network is not None
    view, spec = NetworkView(network), run.data.spec
    preprocessing = Preprocessing(spec)

    def mean_norm(split: Split) -> float:
        norms: list[float] = []
        for members in split.members:
            batch = split.batch(members)
            gradients = view.gradients(Batch(preprocessing(batch.images), batch.labels))
            norms.append(sum(float(each.abs().sum()) for each in gradients.values()))
        return sum(norms) / len(norms)

    # Not the synset's, which are clamped to the value range.
    images, labels = astuple(decode(run.pipeline.decoder, run.codes(), 2, run.data.spec))
    synthetic = Split(images, labels, spec)
    assert float(found.real) == pytest.approx(mean_norm(run.data.train), rel=1e-5)
    assert float(found.synthetic) == pytest.approx(mean_norm(synthetic), rel=1e-5)


def test_a_network_that_learns_the_synthetic_images_by_heart_gets_no_gradient_from_them() -> None:
    """The paper's diagnosis of DC, whose networks train on synthetic images, and what IDC does instead."""

    def after(networks: dict[str, object]) -> float:
        """The synthetic norm in parts of the real one, with images that do not change meanwhile."""
        run = condensation(
            **{"iterations": 1, "inner_steps": 3, "augment": [], "optimizer": {"learning_rate": 1e-9}},
            **{"init": {"type": "random"}, "decoder": {"type": "raw"}, "model__width": 16},
            networks=networks,
        )
        ((real, synthetic),) = [each.last_norms for _, each in recorded(run) if each and each.last_norms]
        return synthetic / real

    training = {"learning_rate": 0.1}
    assert after({"type": "synthetic", "epochs": 150, "training": training}) < 0.05
    assert after({"type": "real", "images": 10_000, "training": training}) > 0.2


def test_few_iterations_are_looked_at_so_that_it_costs_little() -> None:
    run = condensation(
        iterations=3 * STEPS_PER_ITERATION_WITH_NORMS, inner_steps=1, dataset__classes=["0", "1"]
    )
    finished = [each for _, each in recorded(run) if each]
    assert [each.iteration for each in finished if each.last_norms] == [1, 21, 41]
    assert all(each.first_norms == each.last_norms for each in finished), "an iteration of one step"


def test_an_iteration_that_was_interrupted_has_norms_of_its_last_step_alone() -> None:
    run = condensation(iterations=1, inner_steps=3)
    next(run)
    ((_, _), (_, finished)) = recorded(run)
    assert finished is not None
    assert (finished.steps, finished.first_norms) == (2, None)
    assert finished.last_norms is not None


def test_norms_that_cannot_be_taken_cost_only_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(condensation: Condensation) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Condensation, "gradient_norms", fails)
    with pytest.warns(Notice, match=r"gradient norms .*\(out of memory\); continuing"):
        finished = [each for _, each in recorded(condensation()) if each]
    assert [each.last_norms for each in finished] == [None, None]


def test_trackers_get_numbers_by_name() -> None:
    iteration = Iteration(iteration=3, loss=0.5, steps=2, first_norms=(1.0, 2.0), last_norms=(3.0, 4.0))
    assert scalars(iteration) == {"loss": 0.5, "gradient norm/real": 3.0, "gradient norm/synthetic": 4.0}
    assert scalars(Iteration(iteration=3, loss=0.5, steps=2)) == {"loss": 0.5}
