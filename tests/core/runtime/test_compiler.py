"""Steps as compiled graphs: the same results, for whatever can be traced, and a line where it cannot."""

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch._inductor import config

from idc.condensation.loop import condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData
from idc.kinds import Decoder, Model
from idc.network.network import Network
from idc.runtime import compiler as compiling
from idc.runtime.compiler import ComputedEagerly, Like, compute
from idc.runtime.execution import COMPILE_THRESHOLD, Execution, current_execution
from idc.seeding import Streams
from idc.shapes import Batch, Codes, Labels, StoredImages
from idc.spec import ImageSpec
from idc.testing import SPEC, ToyModel, toy_split
from idc.training.recipe import Training
from small import small_pipeline

COMPILED = Execution(compile=True)


@pytest.fixture(autouse=True)
def _no_graphs_of_other_tests() -> None:
    compiling._graphs.clear()  # pyright: ignore[reportPrivateUsage]


def doubled(tensors: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    return tensors["a"] * 2, {"b": tensors["b"].sin()}


@pytest.mark.slow
def test_a_function_is_traced_once_for_each_shape() -> None:
    calls: list[int] = []

    def counted(tensors: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        calls.append(len(tensors["a"]))
        return doubled(tensors)

    with COMPILED.active():
        for size in (3, 3, 3, 5, 5):
            tensors = {"a": torch.rand(size), "b": torch.rand(2)}
            found, expected = compute("counting", "key", counted, tensors), doubled(tensors)
            torch.testing.assert_close(found, expected)
    assert calls == [3, 5]


def trained(execution: Execution, *layers: nn.Module, architecture: str, per_class: int = 16) -> Network:
    split = toy_split(per_class)
    recipe = Training(batch_size=16, cutmix=0.5)
    with Streams(0).seeded("weights"):
        body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Softplus(), *layers)
        head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 2))
        network = Network.of(nn.Sequential(*body, *head), Streams(0), architecture=architecture)
    with execution.active():
        for _ in range(7):
            network = recipe.step(network, split, recipe.preprocessing(split))
    return network


@pytest.mark.slow
def test_compiled_steps_train_as_eager_ones() -> None:
    # Forty images in batches of sixteen: full ones and short ones.
    eager, compiled = (
        trained(execution, architecture="plain", per_class=20) for execution in (Execution(), COMPILED)
    )
    assert len(compiling._graphs) == 2, "one graph for full batches, one for short ones"  # pyright: ignore
    for found, expected in ((compiled.weights, eager.weights), (compiled.buffers, eager.buffers)):
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_networks_of_one_architecture_share_their_graphs() -> None:
    split, recipe = toy_split(8), Training(batch_size=16)
    with COMPILED.active():
        for seed in range(3):
            network = ToyModel().fresh(SPEC, Streams(seed))
            recipe.step(network, split, recipe.preprocessing(split))
    assert len(compiling._graphs) == 1  # pyright: ignore[reportPrivateUsage]


@pytest.mark.slow
def test_compiled_layers_that_draw_follow_the_seed() -> None:
    first, second = (trained(COMPILED, nn.Dropout(0.3), architecture="dropout") for _ in range(2))
    # Eagerly, which is as compiled up to rounding and takes no graph.
    without = trained(Execution(), nn.Dropout(0.0), architecture="none dropped")
    for name, weight in first.weights.items():
        assert torch.equal(second.weights[name], weight)
    assert not torch.allclose(without.weights["0.weight"], first.weights["0.weight"], rtol=1e-2, atol=1e-4)


def smooth(**overrides: object) -> tuple[Tensor, list[float], Execution]:
    """Codes, losses and execution of a run through a network without kinks."""
    # One full batch between the steps, and so one graph of training.
    plan = small_pipeline(iterations=1, networks__images=64, **overrides)
    pipeline = plan.model_copy(update={"model": ToyModel()})
    condensation = condense(pipeline, device="cpu")
    losses = [float(step.loss) for step in condensation]
    return condensation.codes()["images"], losses, condensation.group.execution


@pytest.mark.slow
def test_compiled_runs_condense_as_eager_ones_and_give_the_same_bits_each_time() -> None:
    eager, losses, execution = smooth(compile=False)
    assert not execution.compile
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled, same, execution = smooth(compile=True)
    assert execution.compile
    torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-6)
    assert same == pytest.approx(losses, rel=1e-4)
    assert torch.equal(smooth(compile=True)[0], compiled)


def test_auto_compiles_if_the_work_ahead_is_worth_it() -> None:
    assert Execution(compile="auto").decided(COMPILE_THRESHOLD).compile is True
    assert Execution(compile="auto").decided(COMPILE_THRESHOLD - 1).compile is False
    assert Execution(compile=True).decided(0.0).compile is True
    assert Execution(compile=False).decided(1e30).compile is False
    assert condense(small_pipeline(), device="cpu").group.execution.compile is False
    long = small_pipeline(iterations=10**9)
    assert condense(long, device="cpu").group.execution.compile is True


def test_auto_is_eager_until_it_is_decided() -> None:
    calls: list[int] = []

    def counted(tensor: Tensor) -> Tensor:
        calls.append(1)
        return tensor * 2

    undecided = Execution(compile="auto")
    with undecided.active():
        for _ in range(3):
            compute("counting", "key", counted, torch.rand(3))
    assert len(calls) == 3
    assert type(undecided.layers()) is type(Execution().layers())


@pytest.mark.slow
def test_a_function_is_traced_anew_for_another_layout() -> None:
    rows = torch.rand(4, 6)
    with COMPILED.active():
        for tensor in (rows, torch.rand(6, 4).T, rows.clone()):
            found = compute("flat", "key", lambda x: x.reshape(-1) * 2, tensor)
            torch.testing.assert_close(found, tensor.reshape(-1) * 2)


def test_keys_are_as_different_as_what_is_computed() -> None:
    def written_anew() -> Forgetful:
        """As in a notebook, where the same cell runs again."""

        class Mine(Forgetful):
            pass

        return Mine()

    first, second = written_anew(), written_anew()
    assert repr(first) == repr(second)
    assert Like(first) != Like(second)
    assert Like(first, 1) != Like(first, 2)
    known = {Like(first, Like(ToyModel(), 1)): "found"}
    assert known[Like(first.model_copy(), Like(ToyModel(), 1))] == "found", "keys within keys"
    inverted = {"type": "kornia", "name": "RandomInvert", "arguments": {"p": 1.0}}
    plans = [small_pipeline(augment=[inverted]) for _ in range(2)]
    assert Like(plans[0].augment) == Like(plans[1].augment), "fields that cannot be hashed"
    assert Like(plans[0].augment) != Like(small_pipeline().augment)


@pytest.mark.slow
def test_no_more_graphs_are_kept_than_the_most() -> None:
    with COMPILED.active():
        for number in range(compiling.MAX_GRAPHS + 3):
            # Cheap, because an untraceable function is kept too.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compute("looking", number, lambda x: x * float(x.sum()), torch.ones(2))
    assert len(compiling._graphs) == compiling.MAX_GRAPHS  # pyright: ignore[reportPrivateUsage]


class ByName(nn.Module):
    """Calls its layers with keywords."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.rand(4, 3, 3, 3))
        self.matrix = nn.Parameter(torch.rand(2, 144))

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.conv2d(input=images, weight=self.kernel)
        return nn.functional.linear(maps.flatten(1), weight=self.matrix)


def test_layers_may_be_called_with_keywords() -> None:
    network = Network.of(ByName(), Streams(0))
    # 4 maps of 6x6 pixels from 27 numbers each, and 2 logits from 144, twice for the additions.
    assert network.operations(SPEC.shape) == 2 * (4 * 36 * 27 + 2 * 144)
    with Execution(precision="bf16").active():
        assert network.logits(torch.rand(2, *SPEC.shape)).dtype == torch.float32


def test_the_quick_start_is_not_compiled_and_the_papers_runs_are() -> None:
    assert condense(Pipeline.load("pipelines/digits.toml"), device="cpu").group.execution.compile is False
    spec = ImageSpec(
        channels=3, height=32, width=32, classes=tuple("0123456789"), mean=(0.5,) * 3, std=(0.2,) * 3
    )
    data = RealData(toy_split(4, spec), toy_split(4, spec))
    plan = Pipeline.load("pipelines/cifar10-ipc1-idc-i.toml")
    condensation = condense(plan, data, device="cpu")
    assert condensation.group.execution.compile is True
    assert condensation.group.memory


class Forgetful(Model):
    """Stands for any plugin's class."""

    type: str = "forgetful"

    def build(self, spec: ImageSpec) -> nn.Module:
        return nn.Identity()


class Sorting(Decoder):
    """Looks at values while it decodes, so that it cannot be traced."""

    type: str = "sorting"

    def capacity(self, images_per_class: int, spec: ImageSpec) -> int:
        return images_per_class

    def encode(self, images: StoredImages, images_per_class: int, spec: ImageSpec, streams: Streams) -> Codes:
        return {"images": images}

    def decode(self, codes: Codes, labels: Labels, spec: ImageSpec) -> Batch:
        images = codes["images"]
        return Batch(images * 1 if float(images.detach().sum()) > 0 else images * 2, labels)

    def project(self, codes: Codes, spec: ImageSpec) -> Codes:
        return codes


def test_what_cannot_be_traced_is_computed_eagerly_with_one_line() -> None:
    def codes(**overrides: object) -> Tensor:
        pipeline = small_pipeline(iterations=1, networks__images=0, **overrides)
        condensation = condense(pipeline.model_copy(update={"decoder": Sorting()}), device="cpu")
        list(condensation)
        return condensation.codes()["images"]

    with pytest.warns(ComputedEagerly, match=r"^the match is computed eagerly, because it cannot be") as said:
        found = codes(compile=True)
    assert len(said) == 1
    assert "\n" not in str(said[0].message)
    assert torch.equal(found, codes(compile=False))


def test_without_a_compiler_steps_are_computed_eagerly() -> None:
    tensors = {"a": torch.rand(3), "b": torch.rand(2)}
    reason = r"No working C\+\+ compiler found"
    said = pytest.warns(ComputedEagerly, match=rf"^doubling is computed eagerly, .* \({reason}")
    no_compiler = config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True})
    with no_compiler, COMPILED.active(), said:
        found = compute("doubling", "key", doubled, tensors)
    torch.testing.assert_close(found, doubled(tensors))


PROGRAM = """
import torch, warnings
from idc.runtime.compiler import compute
from idc.runtime.execution import Execution
warnings.simplefilter("error")
with Execution(compile=True).active():
    print(float(compute("the sum", "key", lambda x: (x.sin() * 2).sum(), torch.ones(100))))
"""


@pytest.mark.slow
def test_a_damaged_file_in_the_compilers_cache_is_made_anew(tmp_path: Path) -> None:
    """As an interrupted compilation leaves it."""

    def run() -> str:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = run()
    libraries = list(tmp_path.rglob("*.main.so"))
    assert libraries, "nothing was compiled"
    for library in libraries:
        library.write_bytes(library.read_bytes()[:100])
    assert run() == first
    assert all(library.stat().st_size > 100 for library in libraries)


def test_an_error_of_the_function_itself_is_raised() -> None:
    def wrong(tensor: Tensor) -> Tensor:
        return tensor @ torch.ones(7, 7)

    with COMPILED.active(), pytest.raises(RuntimeError, match=r"size mismatch|cannot be multiplied"):
        compute("wrong", "key", wrong, torch.rand(3, 3))


def test_execution_holds_within_its_block_and_between_items_not_at_all() -> None:
    def items() -> Iterator[bool]:
        for _ in range(2):
            yield bool(current_execution().compile)

    for inside in COMPILED.during(items()):
        assert inside
        assert not current_execution().compile
    with COMPILED.active():
        assert current_execution() == COMPILED
    assert current_execution() == Execution()


def test_bf16_is_for_convolutions_only() -> None:
    with Streams(0).seeded("weights"):
        network = Network.of(ToyModel().build(SPEC), Streams(0))
    images = torch.rand(4, *SPEC.shape)
    with Execution(precision="bf16").active():
        coarse, features = network.logits(images), network.features(images)
    fine = network.logits(images)
    assert coarse.dtype == features[0].dtype == torch.float32
    assert not torch.equal(coarse, fine)
    torch.testing.assert_close(coarse, fine, rtol=0.02, atol=0.02)
    linear = Network.of(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), Streams(0))
    expected = linear.logits(images)
    with Execution(precision="bf16").active():
        assert torch.equal(linear.logits(images), expected)


def test_bf16_condenses_nearly_as_fp32() -> None:
    fine, losses, _ = smooth()
    coarse, rough, execution = smooth(precision="bf16")
    assert execution.precision == "bf16"
    start = condense(small_pipeline(), device="cpu").codes()["images"]
    moved = [(codes - start).flatten() for codes in (fine, coarse)]
    assert float(nn.functional.cosine_similarity(*moved, dim=0)) > 0.98
    assert rough == pytest.approx(losses, rel=0.05)
    assert not torch.equal(fine, coarse)


class Scaled(Model):
    """A network in float64, which no precision touches."""

    type: str = "scaled"

    def build(self, spec: ImageSpec) -> nn.Module:
        return ToyModel().build(spec).double()


def test_double_precision_is_left_alone() -> None:
    with Streams(0).seeded("weights"):
        network = Network.of(Scaled().build(SPEC), Streams(0))
    images = torch.rand(4, *SPEC.shape, dtype=torch.float64)
    fine = network.logits(images)
    with Execution(precision="bf16").active():
        torch.testing.assert_close(network.logits(images), fine, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "pooling",
    [
        nn.AvgPool2d(2),
        nn.AvgPool2d(4),
        nn.AvgPool2d(3),
        nn.AvgPool2d(2, stride=1),
        nn.AvgPool2d(2, padding=1),
        nn.AvgPool2d((2, 4)),
        nn.AvgPool2d(2, divisor_override=3),
    ],
    ids=str,
)
def test_pooling_is_the_same_for_the_compiler(pooling: nn.Module) -> None:
    images = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    expected = pooling(images)
    with COMPILED.layers():
        torch.testing.assert_close(pooling(images), expected, rtol=1e-12, atol=1e-12)
