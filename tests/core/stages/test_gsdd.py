"""GSDD's images against the golden tensors (float64)."""

import math
from pathlib import Path

import pytest
import torch

from golden_cases import assert_exact, golden_names, load_golden
from idc import Synset, condense
from idc.errors import InputError
from idc.kinds import RealData
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.stages.decoders.gsdd import EDGE, GSDD, splatted
from idc.synset.codes import decode, stored_bytes
from idc.testing import SPEC, toy_split
from messages import assert_names
from small import small_pipeline


@pytest.mark.parametrize("name", golden_names("gsdd_render_"))
def test_images_are_the_public_codes(name: str) -> None:
    case = load_golden(name)
    size = int(case.header["size"])
    images = splatted(case["xy"], case["cholesky"], case["colour"], case["opacity"], size, size)
    assert_exact(images, case["decoded"])


def test_x_runs_along_the_width_of_images_that_are_not_square() -> None:
    xy = torch.tensor([[[0.5, -0.5]]])
    small, colour = torch.zeros(1, 1, 3), torch.ones(1, 1, 1)
    image = splatted(xy, small, colour, torch.ones(1, 1, 1), 4, 12)[0, 0]
    # The centre is 9 pixels from the left, and 1 from the top.
    assert torch.allclose(image[:2, 8:10], image[:2, 8:10].mean().expand(2, 2))
    assert int(image.argmax()) in (8, 9, 20, 21)


def test_fitted_gaussians_give_nearly_the_images() -> None:
    spec = ImageSpec(channels=1, height=10, width=8, classes=("a", "b"), mean=(0.5,), std=(0.25,))
    rows, columns = torch.arange(10)[:, None] / 10, torch.arange(8) / 8
    image = (0.5 + 0.4 * torch.sin(6 * rows) * torch.cos(5 * columns)).expand(2, 1, 1, 10, 8)
    decoder = GSDD(gaussians=11, fit_steps=200)
    codes = decoder.encode(image, 1, spec, Streams(0))
    assert {name: tuple(code.shape) for name, code in codes.items()} == {
        "xy": (2, 1, 11, 2),
        "cholesky": (2, 1, 11, 3),
        "colour": (2, 1, 11, 1),
        "opacity": (2, 1, 11, 1),
    }
    assert float(codes["xy"].abs().max()) <= EDGE
    one = {name: code[1] for name, code in codes.items()}
    batch = decoder.decode(one, torch.tensor([1]), spec)
    assert batch.labels.tolist() == [1]
    assert float((batch.images - image[1]).square().mean()) < 0.1 * float(image.var())


def test_penalty_and_projection_keep_centres_inside() -> None:
    decoder = GSDD(gaussians=2, boundary_penalty=0.5)
    xy = torch.tensor([[[0.5, 0.0], [0.0, 0.0]]])
    assert float(decoder.penalty({"xy": xy})) == pytest.approx(-0.5 * math.log(0.75) / 4)
    outside = decoder.project({"xy": torch.tensor([[[-3.0, 2.0]]])}, SPEC)["xy"]
    assert torch.equal(outside, torch.tensor([[[-EDGE, EDGE]]]))
    leaf = outside.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(decoder.penalty({"xy": leaf}), leaf)
    # A step against the gradient leads inwards.
    assert torch.equal(gradient.sign(), outside.sign())


def test_fp16_describes_twice_as_many_images() -> None:
    spec = SPEC.model_copy(update={"height": 32, "width": 32})
    # Published for CIFAR-10: 80 images of 85 Gaussians, of 9 numbers at 16 bits.
    assert GSDD(gaussians=85, storage="fp16").capacity(10, spec) == 80
    assert GSDD(gaussians=85).capacity(10, spec) == GSDD(gaussians=85).unpacked(10, spec) == 40
    assert GSDD(gaussians=85, factor=2).capacity(10, spec) == 160


def test_fp16_takes_half_the_bytes_in_the_file_and_is_optimised_in_float32(tmp_path: Path) -> None:
    pipeline = small_pipeline(
        decoder={"type": "gsdd", "gaussians": 4, "fit_steps": 2, "storage": "fp16"},
        init={"type": "random"},
        optimizer__learning_rate=1e-3,
        evaluate=[],
        baseline=[],
    )
    run = condense(pipeline, RealData(toy_split(), toy_split(seed=1)), device="cpu")
    next(run)
    made = run.synset()
    made.save(tmp_path / "half.safetensors")
    loaded = Synset.load(tmp_path / "half.safetensors")
    assert {code.dtype for code in loaded.codes.values()} == {torch.float16}
    assert {code.dtype for code in run.codes().values()} == {torch.float32}
    # Per class 2 images of 192 numbers; twice as many numbers make 21 images of 4 Gaussians.
    assert loaded.header.images == 2 * 21
    assert stored_bytes(loaded.codes) == 2 * loaded.header.budget == 2 * 2 * 21 * 4 * 9
    assert loaded.images.dtype == torch.float32
    assert torch.equal(loaded.images, made.images)
    exact = decode(pipeline.decoder, run.codes(), 2, SPEC).images.clamp(0, 1)
    assert 0 < float((loaded.images - exact).abs().max()) < 0.02


def test_more_gaussians_than_can_be_stored_are_refused() -> None:
    with pytest.raises(InputError) as error:
        GSDD(gaussians=22).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.gaussians: 22 of 9", "192", "images_per_class = 1", "1 to 21")
