"""Class- and domain-incremental learning with a synset as the memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from idc.condensation.loop import condense
from idc.data.split import RealData, Split
from idc.errors import InputError
from idc.experiment.score import evaluate, real_alone
from idc.kinds import EvaluatorInputs, ImageSpec, Model, Network, Point, Scores
from idc.seeding import Streams
from idc.stages.evaluators.class_incremental import ClassIncremental
from idc.stages.evaluators.domain_incremental import DomainIncremental
from idc.stages.evaluators.incremental import Incremental, continued, forgetting
from idc.stages.evaluators.retrain import Retrain
from idc.testing import ToyModel, toy_split
from idc.testing.toy import ToyNetwork
from idc.training.recipe import Training, accuracy
from idc_models.convnet import ConvNet
from messages import assert_names
from small import small_pipeline

SPEC = ImageSpec(channels=1, height=8, width=12, classes=tuple("abcdef"), mean=(0.5,), std=(0.25,))
REAL = RealData(toy_split(12, SPEC), toy_split(5, SPEC, seed=1))
SYNTHETIC = toy_split(3, SPEC, seed=2)
CONVNET = ConvNet(width=8, depth=1)
PLAIN = {"augment": [], "cutmix": 0.0, "learning_rate": 0.05, "batch_size": 4}


def learner(type_: str = "class-incremental", **fields: Any) -> Incremental:
    kind = {"class-incremental": ClassIncremental, "domain-incremental": DomainIncremental}[type_]
    return kind.model_validate({"steps": 3, "epochs": 4, "runs": 1, "training": PLAIN, **fields})


def score(
    evaluator: Incremental, model: Model | None = None, synthetic: Split = SYNTHETIC, real: RealData = REAL
) -> Scores:
    inputs = EvaluatorInputs(evaluator.needs, real, "memory", synthetic, 3)
    return evaluator.score(inputs, model or ToyModel(), Streams(0), lambda fraction: None)


class Smooth(Model):
    """The toy network in double precision."""

    type: Literal["smooth"] = "smooth"

    def build(self, spec: ImageSpec) -> nn.Module:
        return ToyNetwork(spec).double()


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Split:
    """Memory in double precision, normalised in it."""
    preprocessing = Training.preprocessing
    monkeypatch.setattr(
        Training, "preprocessing", lambda recipe, split: _in_double(preprocessing(recipe, split))
    )
    return replace(SYNTHETIC, pixels=SYNTHETIC.images().double())


def _in_double(preprocessing: Any) -> Any:
    preprocessing._mean, preprocessing._std = preprocessing._mean.double(), preprocessing._std.double()
    return preprocessing


@pytest.mark.filterwarnings("ignore:reduction")
def test_it_learns_as_the_public_code_does(double: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Network] = []

    def remembered(*arguments: Any) -> Iterator[Network]:
        yield from ((trained.append(network), network)[1] for network in original(*arguments))

    original = ClassIncremental.trained
    monkeypatch.setattr(ClassIncremental, "trained", remembered)
    # The real images are in single precision.
    monkeypatch.setattr("idc.stages.evaluators.incremental.accuracy", lambda *_: 0.0)
    evaluator = learner(epochs=10)
    score(evaluator, Smooth(), double)
    assert len(trained) == 30
    monkeypatch.undo()
    reference = _public_code(double)
    for step in range(3):
        for name, weight in trained[10 * step + 9].weights.items():
            torch.testing.assert_close(weight, reference[step][name], rtol=1e-9, atol=1e-11)


def _public_code(split: Split) -> list[dict[str, Tensor]]:
    """Weights after each step of IDC's loop for class-incremental learning, in plain PyTorch.

    Its classifier grows by rows, the network of the step before is distilled into it, each step has a new
    optimizer and schedule. Initial weights and the order of the images are ours.
    """
    images = (split.pixels - 0.5) / 0.25
    weights: list[dict[str, Tensor]] = []
    network, earlier = ToyNetwork(SPEC), None
    for step in range(3):
        classes, streams = 2 * (step + 1), Streams(0).child("step", step)
        with streams.seeded("weights"):
            fresh = ToyNetwork(SPEC.model_copy(update={"classes": SPEC.classes[:classes]})).double()
        if earlier is None:
            network = fresh
        else:
            fresh.linear.weight.data[: classes - 2] = network.linear.weight.data
            fresh.linear.bias.data[: classes - 2] = network.linear.bias.data
            network.linear = fresh.linear
        known = split.labels < classes
        inputs, targets = images[known], split.labels[known]
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [6, 8], gamma=0.2)
        for epoch in range(10):
            order = torch.randperm(len(targets), generator=streams.generator("order", epoch))
            for batch in order.split(4):
                optimizer.zero_grad()
                outputs = network(inputs[batch])
                loss = nn.CrossEntropyLoss()(outputs, targets[batch])
                if earlier is not None:
                    before = earlier(inputs[batch]).detach()
                    old = before.shape[1]
                    now = nn.functional.log_softmax(outputs[:, :old] / 2, dim=1)
                    then = nn.functional.softmax(before / 2, dim=1)
                    loss = loss + nn.KLDivLoss(reduction="mean")(now, then) * 2 * 2 * 1.0 * old
                loss.backward()
                optimizer.step()
            schedule.step()
        weights.append({name: weight.detach().clone() for name, weight in network.named_parameters()})
        earlier = ToyNetwork(SPEC.model_copy(update={"classes": SPEC.classes[:classes]})).double()
        earlier.load_state_dict(network.state_dict())
    return weights


@pytest.mark.parametrize("epochs", [1000, 30])
def test_the_rate_falls_where_the_public_codes_does(epochs: int) -> None:
    evaluator = ClassIncremental.model_validate({})
    assert (evaluator.epochs, evaluator.training.cutmix, evaluator.training.batch_size) == (1000, 0.5, 64)
    assert evaluator.protocol_as_run() == "idc-2022-incremental"
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = torch.optim.lr_scheduler.MultiStepLR(
        optimizer, [6 * epochs // 10, 8 * epochs // 10], gamma=0.2
    )
    for epoch in range(epochs):
        rate = schedule.get_last_lr()[0]
        assert evaluator.learning_rate(epoch, epochs) == pytest.approx(rate, rel=1e-12)
        optimizer.step()
        schedule.step()


def test_scores_are_of_all_that_was_seen_after_each_step() -> None:
    scores = score(learner(epochs=30), CONVNET)
    points = [metric for metric in scores if isinstance(metric, Point)]
    assert [(point.metric, point.along, point.at) for point in points] == [
        ("accuracy", "classes seen", 2),
        ("accuracy", "classes seen", 4),
        ("accuracy", "classes seen", 6),
    ]
    assert list(scores)[:3] == ["accuracy", "average incremental accuracy", "forgetting"]
    assert scores["accuracy"] == scores[points[-1]]
    assert scores["average incremental accuracy"] == pytest.approx(sum(scores[each] for each in points) / 3)
    assert scores[points[0]] == 100
    assert scores["accuracy"] > 40, "as good as guessing"


def test_forgetting_is_what_was_lost_since_it_was_known_best() -> None:
    # The step of the last row has not had the time to be forgotten.
    assert forgetting([[90.0], [80.0, 95.0], [85.0, 70.0, 99.0]]) == pytest.approx((5 + 25) / 2)
    assert forgetting([[50.0], [60.0, 10.0]]) == pytest.approx(-10)


def test_with_nothing_kept_the_first_classes_are_forgotten() -> None:
    kept, forgotten = (score(learner(epochs=30, kept=kept), CONVNET) for kept in ("synset", "nothing"))
    assert forgotten["forgetting"] > kept["forgetting"] + 20
    assert forgotten["accuracy"] < kept["accuracy"]


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({}, [6, 12, 18]),
        ({"kept": "nothing"}, [6, 6, 6]),
        ({"new": "real"}, [24, 30, 36]),
        ({"new": "real", "kept": "real"}, [24, 48, 72]),
        ({"new": "real", "kept": "nothing"}, [24, 24, 24]),
    ],
)
def test_it_is_trained_on_the_images_that_were_chosen(
    fields: dict[str, Any], counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[Split] = []

    def trained(evaluator: Incremental, network: Network, split: Split, *_: Any) -> Iterator[Network]:
        taken.append(split)
        yield network

    monkeypatch.setattr(ClassIncremental, "trained", trained)
    evaluator = learner(**fields)
    score(evaluator)
    assert [len(split) for split in taken] == counts
    assert [len(split.spec.classes) for split in taken] == [2, 4, 6]
    for split in taken:
        assert split.labels.unique().tolist() == sorted(split.labels.unique().tolist())
        newest = len(split.spec.classes) - 1
        assert int(split.labels.max()) == newest
    assert evaluator.reads_synsets == ("synset" in (evaluator.new, evaluator.kept))


@pytest.mark.parametrize("new", ["synset", "real"])
def test_all_images_are_normalised_as_the_memory_is(new: str) -> None:
    other = SPEC.model_copy(update={"mean": (0.9,), "std": (0.01,)})
    shifted = RealData(replace(REAL.train, spec=other), replace(REAL.test, spec=other))
    assert score(learner(new=new)) == score(learner(new=new), real=shifted)


def test_a_step_without_test_images_is_named_before_anything_is_trained() -> None:
    tested = REAL.test.relabelled({label: label for label in (0, 1, 4, 5)}, SPEC)
    with pytest.raises(
        InputError, match=r"evaluate\.steps: no class of step 2 of 3 has test images; .*test_frac"
    ):
        score(learner(), real=RealData(REAL.train, tested))


@pytest.mark.parametrize(("new", "kept"), [("real", "real"), ("real", "nothing"), ("real", "synset")])
def test_epochs_by_images_count_real_images(new: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(
        "idc.stages.evaluators.protocol_evaluator.epochs_by_images",
        lambda images, classes: counted.append(images) or 1,
    )
    score(learner(new=new, kept=kept, epochs="by-images", milestones=[]))
    rest = {"real": 12, "nothing": 0, "synset": 3}[kept]
    assert counted == [(24 + 2 * step * rest) // (2 * (step + 1)) for step in range(3)]


def test_gdumb_trains_a_new_network_on_everything_kept() -> None:
    last = score(learner(learning="gdumb", epochs=5))["accuracy"]
    retrain = Retrain.model_validate({"epochs": 5, "training": PLAIN, "milestones": [0.6, 0.8]})
    network = ToyModel().fresh(SPEC, Streams(0).child("step", 2))
    *_, trained = retrain.trained(network, SYNTHETIC, 5)
    assert last == accuracy(trained, REAL.test, SPEC)


def test_without_weight_nothing_is_distilled(monkeypatch: pytest.MonkeyPatch) -> None:
    teachers: list[object] = []
    original = ClassIncremental.trained

    def trained(*arguments: Any) -> Iterator[Network]:
        teachers.append(arguments[-1])
        return original(*arguments)

    monkeypatch.setattr(ClassIncremental, "trained", trained)
    score(learner(epochs=1, distillation={"weight": 0.0}))
    assert teachers == [None, None, None]
    teachers.clear()
    score(learner(epochs=1))
    assert [teacher is None for teacher in teachers] == [True, False, False]


def test_a_network_is_continued_with_rows_for_the_new_classes() -> None:
    few, many = (SPEC.model_copy(update={"classes": SPEC.classes[:count]}) for count in (2, 5))
    earlier, fresh = ToyModel().fresh(few, Streams(0)), ToyModel().fresh(many, Streams(1))
    both = continued(earlier, fresh)
    assert torch.equal(both.weights["first.weight"], earlier.weights["first.weight"])
    assert torch.equal(both.weights["linear.weight"][:2], earlier.weights["linear.weight"])
    assert torch.equal(both.weights["linear.weight"][2:], fresh.weights["linear.weight"][2:])
    assert (both.optimizer, both.batches) == ({}, 0)
    assert both.logits(REAL.test.images()).shape == (30, 5)


class Squeezed(Model):
    """A network whose width follows the number of classes."""

    type: Literal["squeezed"] = "squeezed"

    def build(self, spec: ImageSpec) -> nn.Module:
        count = len(spec.classes)
        return nn.Sequential(
            nn.Flatten(), nn.Linear(spec.height * spec.width, count), nn.Linear(count, count)
        )


def test_models_that_cannot_learn_further_classes_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        learner().refuse_unfit(SPEC, Squeezed())
    assert_names(str(caught.value), "evaluate", "squeezed", "'2.weight'", "(2, 2)", "(4, 4)", "another model")


@pytest.mark.parametrize("steps", [4, 7])
def test_steps_that_do_not_divide_the_classes_are_refused(steps: int) -> None:
    with pytest.raises(InputError) as caught:
        learner(steps=steps).refuse_unfit(SPEC, ToyModel())
    assert_names(
        str(caught.value), "evaluate.steps", "6 classes", f"{steps} equal", "2, 3, 6", "dataset.classes"
    )


def run_of(**settings: Any) -> Any:
    plan = small_pipeline(iterations=1, inner_steps=1, **settings)
    return condense(plan.model_copy(update={"model": ToyModel()}), REAL, device="cpu")


EVALUATE = [{"type": "class-incremental", "steps": 3, "epochs": 1, "runs": 1, "training": PLAIN}]


@pytest.mark.parametrize("groups", [None, {"classes": 3, "see": "group"}, {"classes": 2, "see": "all"}])
def test_codes_that_know_later_steps_are_refused_before_a_run(groups: dict[str, Any] | None) -> None:
    settings = {} if groups is None else {"groups": groups}
    with pytest.raises(InputError) as caught:
        run_of(evaluate=EVALUATE, baseline=[], **settings)
    assert_names(
        str(caught.value),
        "evaluate",
        "'a'",
        "step 1 of 3",
        "'c'",
        "groups.classes = 2",
        "later_classes = true",
    )
    run_of(evaluate=[{**EVALUATE[0], "later_classes": True}], baseline=[], **settings)


def test_soft_labels_are_refused() -> None:
    evaluate = [{**EVALUATE[0], "later_classes": True}]
    with pytest.raises(InputError) as caught:
        run_of(evaluate=evaluate, baseline=[], decoder={"type": "raw", "labels": "soft"})
    assert_names(str(caught.value), "evaluate", "hard labels")


@pytest.mark.parametrize("see", ["group", "so-far"])
def test_baselines_know_no_more_than_the_synset(see: str) -> None:
    herding = {
        "name": "herding",
        "init": {"type": "herding", "features": {"epochs": 1}},
        "decoder": {"type": "raw"},
    }
    plan = run_of(evaluate=EVALUATE, baseline=[herding], groups={"classes": 2, "see": see}).pipeline
    (baseline,) = plan.baselines()
    assert baseline.groups == plan.groups
    alone = plan.model_copy(update={"groups": plan.groups.model_copy(update={"see": "all"})})
    assert alone.baselines()[0].groups is None
    drawn = condense(baseline, REAL, device="cpu").synset()
    assert drawn.known_by_class()[:2] == [frozenset({0, 1})] * 2
    evaluations = list(evaluate(drawn, REAL, plan, device="cpu"))
    assert [each.metric for each in evaluations][:3] == [
        "accuracy",
        "average incremental accuracy",
        "forgetting",
    ]


def test_bounds_are_scored_once_and_named_after_what_was_kept() -> None:
    bounds = [{**EVALUATE[0], "new": "real", "kept": kept} for kept in ("real", "nothing")]
    plan = run_of(evaluate=[*EVALUATE, *bounds], baseline=[], groups={"classes": 2, "see": "group"}).pipeline
    assert real_alone(plan) == [None]
    synset = condense(plan, REAL, device="cpu").synset()
    found = list(evaluate(synset, REAL, plan, device="cpu"))
    names = [each.synset for each in found if each.metric == "accuracy" and each.at is None]
    assert names == ["small", "all real images kept", "nothing kept"] or names[1:] == [
        "all real images kept",
        "nothing kept",
    ]


def test_domains_share_their_outputs_and_count_alike() -> None:
    evaluator = learner("domain-incremental")
    assert isinstance(evaluator, DomainIncremental)
    assert evaluator.outputs([[0, 1], [2, 3]]) == {0: 0, 1: 1, 2: 0, 3: 1}
    assert evaluator.overall([90.0, 60.0], [1000, 10]) == 75
    scores = score(evaluator)
    assert [metric.at for metric in scores if isinstance(metric, Point)] == [1, 2, 3]
    split = SYNTHETIC.relabelled({4: 0, 5: 1}, SPEC.model_copy(update={"classes": ("a", "b")}))
    assert split.labels.tolist() == [0] * 3 + [1] * 3
    assert torch.equal(split.pixels, SYNTHETIC.pixels[12:])
