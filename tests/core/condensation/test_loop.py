"""The condensation loop: exact class steps, determinism, named streams."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from golden_cases import assert_exact, golden_convnet, load_golden
from idc.condensation.class_match import ClassMatch
from idc.condensation.loop import condense
from idc.errors import InputError, RunError
from idc.kinds import Augmentation, Decoder, Model
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch, ClassNumbers, Codes, Draw
from idc.spec import ImageSpec
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.evaluators.retrain import Retrain
from idc.stages.networks.real import Real
from idc.stages.objectives.gradient import Gradient
from idc.stages.optimizers.sgd import SGD
from idc.synset.codes import labels_of_class, of_class
from idc.testing import SPEC, check_decoder
from idc.training.preprocessing import Preprocessing
from small import small_pipeline


@pytest.mark.parametrize("name", ["classloop_4c2x16", "classloop_clamp"])
def test_class_loop_of_idc(name: str) -> None:
    """Outer clamps, sweeps and class steps of the public code, in float64."""
    case = load_golden(name)
    header = case.header
    classes, per_class = int(header["n_classes"]), int(header["ipc"])
    view = NetworkView(golden_convnet(case, classes))
    spec = ImageSpec(
        channels=int(header["channels"]),
        height=int(header["image_size"]),
        width=int(header["image_size"]),
        classes=tuple(map(str, range(classes))),
        mean=(0.0,) * int(header["channels"]),
        std=(1.0,) * int(header["channels"]),
    )
    preprocessing = Preprocessing(spec, dtype=torch.float64)
    decoder = MultiFormation(factor=int(header["factor"]))
    objective = Gradient.model_validate({"metric": header["metric"]})
    match = ClassMatch(decoder, objective, preprocessing, spec)
    optimizer = SGD(learning_rate=float(header["lr_img"]), momentum=float(header["momentum"]))

    codes: Codes = {"images": case["initial_codes"].unflatten(0, (classes, per_class))}
    state = optimizer.initial_state(codes)
    sweep = 0
    for _ in range(int(header["outer_iterations"])):
        codes = decoder.project(codes, spec)
        for _ in range(int(header["sweeps_per_outer"])):
            codes = optimizer.before_gradients(codes, state, sweep)
            gradients: dict[int, Tensor] = {}
            # In any order: here backwards.
            for label in reversed(range(classes)):
                real = case["real_images"][sweep, label]
                gradient, distance, _ = match(
                    view,
                    of_class(decoder, codes, label),
                    labels_of_class(codes, label, per_class),
                    Batch(real, torch.full((len(real),), label)),
                    [],
                )
                assert_exact(distance, case["losses"][sweep, label])
                gradients[label] = gradient["images"]
            stacked = torch.stack([gradients[label] for label in range(classes)])
            codes, state = optimizer.update(codes, state, {"images": stacked}, sweep)
            sweep += 1
            if f"codes_after_sweep{sweep}" in case.tensors:
                found = codes["images"].flatten(0, 1)
                torch.testing.assert_close(found, case[f"codes_after_sweep{sweep}"], rtol=1e-9, atol=1e-11)
    # The public code's buffer has decayed since the class's own step.
    decay = torch.tensor([optimizer.momentum ** (classes - 1 - label) for label in range(classes)])
    buffer = (decay.view(-1, 1, 1, 1, 1) * state["velocity"]["images"]).flatten(0, 1)
    torch.testing.assert_close(buffer, case[f"momentum_after_sweep{sweep}"], rtol=1e-9, atol=1e-11)


def run(**overrides: object) -> tuple[Tensor, list[float]]:
    condensation = condense(small_pipeline(**overrides), device="cpu")
    losses = [float(step.loss) for step in condensation]
    return condensation.codes()["images"], losses


def test_the_same_seed_gives_the_same_bits_whatever_else_draws() -> None:
    torch.manual_seed(1)
    codes, losses = run()
    torch.manual_seed(2)
    again, same = run()
    assert torch.equal(codes, again)
    assert losses == same
    assert not torch.equal(codes, run(seed=1)[0])


def test_steps_are_numbered_and_counted() -> None:
    condensation = condense(small_pipeline(), device="cpu")
    assert len(condensation) == 4
    assert [(step.iteration, step.inner_step) for step in condensation] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert condensation.iteration == 2


def test_iterating_changes_the_codes_and_nothing_else_does() -> None:
    condensation = condense(small_pipeline(), device="cpu")
    start = condensation.codes()["images"].clone()
    assert torch.equal(condensation.synset().codes["images"], start)
    next(iter(condensation))
    assert not torch.equal(condensation.codes()["images"], start)


def test_a_loop_goes_on_where_another_was_broken_off() -> None:
    whole, parts = (condense(small_pipeline(), device="cpu") for _ in range(2))
    list(whole)
    first = [next(parts) for _ in range(3)]
    rest = list(parts)
    assert [(step.iteration, step.inner_step) for step in [*first, *rest]] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert torch.equal(parts.codes()["images"], whole.codes()["images"])
    assert list(parts) == []


class Forgetful(Model):
    """A network that draws from the global generator while it computes."""

    type: str = "forgetful"

    def build(self, spec: ImageSpec) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(spec.channels, 4, 3),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 10),
        )


def test_layers_that_draw_follow_the_seed_too() -> None:
    outcomes: list[Tensor] = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        condensation = condense(small_pipeline().model_copy(update={"model": Forgetful()}), device="cpu")
        before = torch.get_rng_state()
        list(condensation)
        assert torch.equal(torch.get_rng_state(), before), "the user's generator is left alone"
        outcomes.append(condensation.codes()["images"])
    assert torch.equal(*outcomes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"objective": {"type": "feature", "layers": [7]}}, "objective.layers: 7 is not a layer"),
        ({"model": {"type": "mlp", "width": 4}}, "objective: this network has no convolution kernels"),
    ],
)
def test_an_objective_that_does_not_fit_is_refused_before_anything_is_computed(
    changes: dict[str, object], problem: str
) -> None:
    with pytest.raises(InputError, match=f"^{problem}"):
        condense(small_pipeline(**changes), device="cpu")


def test_no_iterations_keep_the_initial_codes() -> None:
    condensation = condense(small_pipeline(iterations=0), device="cpu")
    assert list(condensation) == []
    assert condensation.synset().header.iterations == 0


def test_the_matching_loss_falls() -> None:
    _, losses = run(iterations=1, inner_steps=30, augment=[], networks__images=0, sampler__batch_size=1000)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_a_diverging_run_says_so() -> None:
    with pytest.raises(RunError, match=r"not finite in iteration \d of 2, .*learning_rate = 1e\+30"):
        run(optimizer__learning_rate=1e30)


def test_a_model_that_does_not_fit_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(InputError, match=r"model\.depth: 9 blocks"):
        condense(small_pipeline(model__depth=9), device="cpu")


class Halving(Augmentation):
    type: str = "halving"

    def draw(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Draw:
        return Draw({})

    def apply(self, images: Tensor, draw: Draw) -> Tensor:
        return images[..., ::2, ::2]


def test_an_augmentation_that_does_not_fit_is_refused_before_anything_is_computed() -> None:
    problem = r"augment: halving .*\(1, 8, 8\) .*\(1, 4, 4\); .* must keep it"
    matching = small_pipeline().model_copy(update={"augment": (Halving(),)})
    with pytest.raises(InputError, match=f"^{problem}"):
        condense(matching, device="cpu")
    evaluator = small_pipeline().evaluate[0]
    assert isinstance(evaluator, Retrain)
    training = evaluator.training.model_copy(update={"augment": (Halving(),)})
    evaluator = evaluator.model_copy(update={"training": training})
    scoring = small_pipeline().model_copy(update={"evaluate": (evaluator,)})
    with pytest.raises(InputError, match=f"^evaluate: training: {problem}"):
        condense(scoring, device="cpu")
    networks = Real(training=training)
    with pytest.raises(InputError, match=f"^networks: training: {problem}"):
        condense(small_pipeline().model_copy(update={"networks": networks}), device="cpu")


def test_a_model_of_the_evaluator_that_does_not_fit_is_refused_before_anything_is_computed() -> None:
    with pytest.raises(InputError, match=r"^evaluate: models\.0: model\.depth: 9 blocks"):
        condense(small_pipeline(evaluate__0__models=[{"type": "convnet", "depth": 9}]), device="cpu")


def test_an_absent_device_is_refused() -> None:
    with pytest.raises(InputError, match=r"device: 'nosuch' .*\(.+\); choose auto or cpu"):
        condense(small_pipeline(), device="nosuch")


class Basis(Decoder):
    """Stored coefficients of each class times basis images that all classes share."""

    type: str = "basis"
    shared = frozenset({"basis"})

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        return images_per_class

    def encode(self, images: Tensor, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        basis = images.flatten(0, 1)[:4]
        coefficients = torch.full((images.shape[0], images_per_class, 4), 0.25)
        coefficients[..., 0] += torch.arange(images.shape[0]).view(-1, 1) * 0.01
        return {"coefficients": coefficients, "basis": basis}

    def decode(self, codes: Codes, labels: ClassNumbers, spec: ImageSpec) -> Batch:
        images = torch.einsum("nb,bchw->nchw", codes["coefficients"], codes["basis"])
        return Batch(images.sigmoid(), labels)

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        return codes


def test_shared_tensors_are_stepped_once_for_all_classes() -> None:
    check_decoder(Basis(), SPEC, images_per_class=2)
    pipeline = small_pipeline(iterations=1).model_copy(update={"decoder": Basis()})
    condensation = condense(pipeline, device="cpu")
    before = {name: code.clone() for name, code in condensation.codes().items()}
    for _ in condensation:
        pass
    for name, code in condensation.codes().items():
        assert code.shape == before[name].shape
        assert code.isfinite().all()
        assert not torch.equal(code, before[name])
    # 10 classes x 2 images x 4 coefficients, and 4 basis images of 64 pixels.
    assert condensation.synset().header.budget == 80 + 256


@pytest.mark.parametrize("degree", [0.0, 3.0])
def test_an_average_of_the_codes_is_delivered(degree: float) -> None:
    settings: dict[str, Any] = {"iterations": 2, "inner_steps": 3, "evaluate": [], "baseline": []}
    averaged, last = (
        condense(small_pipeline(**settings, **more), device="cpu")
        for more in ({"optimizer__average": degree}, {})
    )
    codes = [last.codes()["images"].double() for _ in last]
    # As PyTorch's average of a model's weights is written (torch.optim.swa_utils), with other parts.
    expected = codes[0]
    for number, each in enumerate(codes[1:], 2):
        expected = expected + (degree + 1) / (number + degree) * (each - expected)
    if degree == 0:
        torch.testing.assert_close(expected, torch.stack(codes).mean(0))
    list(averaged)
    torch.testing.assert_close(averaged.codes()["images"].double(), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(averaged.group.codes["images"].double(), codes[-1], rtol=0, atol=0)


def test_an_average_leaves_the_networks_that_see_synthetic_images_alone() -> None:
    settings: dict[str, Any] = {"iterations": 2, "inner_steps": 3, "evaluate": [], "baseline": []}
    settings["networks"] = {"type": "synthetic", "epochs": 2}
    averaged, last = (
        condense(small_pipeline(**settings, **more), device="cpu")
        for more in ({"optimizer__average": 8.0}, {})
    )
    for each in (averaged, last):
        list(each)
    assert torch.equal(averaged.group.codes["images"], last.codes()["images"])
    assert not torch.equal(averaged.codes()["images"], last.codes()["images"])
