"""FreD's transform, positions and images against the golden tensors (float64)."""

import pytest
import scipy.fft
import torch

from golden_cases import assert_exact, golden_names, load_golden
from idc.errors import InputError
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.stages.decoders.dct import Norm, dct, dct_matrix, inverse_dct, inverse_dct_matrix
from idc.stages.decoders.fred import FreD, explained_most
from idc.testing import SPEC
from messages import assert_names


@pytest.mark.parametrize("name", golden_names("fred_dct_"))
def test_the_transform_is_the_public_codes(name: str) -> None:
    case = load_golden(name)
    size = int(case.header["size"])
    assert_exact(dct_matrix(size, "backward", case["images"]), case["matrix"])
    assert_exact(inverse_dct_matrix(size, "backward", case["images"]), case["inverse_matrix"])
    assert_exact(dct(case["images"], "backward"), case["coefficients"])
    assert_exact(inverse_dct(case["coefficients"], "backward"), case["back"])


@pytest.mark.parametrize("norm", ["backward", "ortho"])
def test_the_transform_is_scipys(norm: Norm) -> None:
    images = torch.rand(2, 3, 7, 12, dtype=torch.float64)
    expected = torch.from_numpy(scipy.fft.dctn(images.numpy(), axes=(2, 3), norm=norm))
    assert_exact(dct(images, norm), expected)
    assert_exact(inverse_dct(expected, norm), images)


def test_the_transform_in_float32_is_as_exact_as_float32() -> None:
    image = torch.rand(1, 128, 128, dtype=torch.float64)
    assert torch.allclose(dct(image.float(), "ortho").double(), dct(image, "ortho"), atol=1e-4)
    matrix = dct_matrix(128, "ortho", torch.ones(1))
    assert_exact(matrix.double(), dct_matrix(128, "ortho", image), rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", golden_names("fred_synset_"))
def test_positions_images_and_gradient_are_the_public_codes(name: str) -> None:
    case = load_golden(name)
    size, count = int(case.header["size"]), int(case.header["msz_per_channel"])
    planes = dct(case["real_images"], "backward").flatten(3)
    assert_exact(planes.unflatten(3, (size, size)), case["coefficients"], atol=1e-10)
    decoder = FreD(frequencies=count, norm="backward")
    codes = decoder.fit(case["real_images"], 1, SPEC, Streams(0))
    masks = torch.zeros(len(planes), size * size, dtype=torch.uint8).scatter(1, codes["positions"], 1)
    assert torch.equal(masks.unflatten(1, (size, size)), case["mask"])
    spec = SPEC.model_copy(update={"height": size, "width": size})
    for label, positions in enumerate(codes["positions"]):
        leaf = codes["coefficients"][label].requires_grad_()
        images = decoder.render({"coefficients": leaf, "positions": positions}, spec)
        assert_exact(images, case["decoded"][label], atol=1e-10)
        (gradient,) = torch.autograd.grad((images * case["direction"][label]).sum(), leaf)
        expected = case["coefficient_grad"][label].flatten(2)[..., positions]
        assert_exact(gradient, expected)


def test_all_frequencies_give_the_images_back() -> None:
    spec = ImageSpec(channels=1, height=3, width=5, classes=("a", "b"), mean=(0.3,), std=(0.2,))
    images = torch.rand(2, 2, *spec.shape)
    decoder = FreD(frequencies=15)
    codes = decoder.encode(images, 2, spec, Streams(0))
    one = {name: code[1] for name, code in codes.items()}
    batch = decoder.decode(one, torch.tensor([1, 1]), spec)
    torch.testing.assert_close(batch.images, images[1])
    assert batch.labels.tolist() == [1, 1]


def test_a_single_image_keeps_its_largest_coefficients() -> None:
    planes = torch.tensor([[[0.0, -3.0, 1.0, 2.0]]])
    assert explained_most(planes, 2).tolist() == [1, 3]


def test_fewer_frequencies_describe_more_images() -> None:
    spec = SPEC.model_copy(update={"height": 32, "width": 32})
    assert FreD(frequencies=64).capacity(10, spec) == FreD(frequencies=64).unpacked(10, spec) == 160
    assert FreD(frequencies=100).capacity(1, spec) == 10
    assert FreD(frequencies=64, factor=2).capacity(1, spec) == 64


def test_more_frequencies_than_pixels_are_refused() -> None:
    with pytest.raises(InputError) as error:
        FreD(frequencies=5000).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.frequencies: 5000 ", "8x8", "1 to 64")
    with pytest.raises(InputError) as error:
        FreD(frequencies=8, factor=5).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.factor: 5 ", "1, 2, 3, 4, 8")
