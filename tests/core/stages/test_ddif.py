"""DDiF's networks against the golden tensors (float64), and its published numbers of images."""

import pytest
import torch

from golden_cases import Case, assert_exact, golden_names, load_golden
from idc.errors import InputError
from idc.seeding import Streams
from idc.shapes import Codes
from idc.spec import ImageSpec
from idc.stages.decoders import fitted as fitting
from idc.stages.decoders.ddif import DDiF
from idc.stages.decoders.fitted import fitted
from idc.testing import SPEC
from messages import assert_names


def square(size: int, channels: int = 3) -> ImageSpec:
    return SPEC.model_copy(
        update={"channels": channels, "height": size, "width": size, "mean": (0.5,) * channels}
    )


def decoder_of(case: Case) -> DDiF:
    return DDiF(
        hidden_layers=int(case.header["hidden_layers"]),
        width=int(case.header["hidden_width"]),
        w0_first=float(case.header["w0_first"]),
        w0=float(case.header["w0"]),
        fit_steps=int(case.header["fit_steps"]),
        fit_learning_rate=float(case.header["fit_lr"]),
    )


def codes_of(case: Case, prefix: str) -> Codes:
    layers = [*(f"net.{layer}" for layer in range(int(case.header["hidden_layers"]))), "last_layer"]
    return {
        f"{part}.{position}": case[f"{prefix}.{layer}.linear.{part}"]
        for position, layer in enumerate(layers)
        for part in ("weight", "bias")
    }


@pytest.mark.parametrize("name", golden_names("ddif_"))
def test_fit_images_and_gradient_are_the_public_codes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load_golden(name)
    decoder, spec = decoder_of(case), square(int(case.header["size"]))
    assert decoder.numbers(decoder.width, 3) == int(case.header["numbers_per_image"])
    numbers = spec.height * spec.width * decoder.width
    # The same in parts as all at once.
    for at_once in (fitting.AT_ONCE, 3 * numbers):
        monkeypatch.setattr(fitting, "AT_ONCE", at_once)
        found = fitted(
            case["fitted_images"][None],
            lambda *_: codes_of(case, "weight_first"),
            lambda codes: decoder.render(codes, spec),
            Streams(0),
            steps=decoder.fit_steps,
            learning_rate=decoder.fit_learning_rate,
            numbers_per_image=numbers,
        )
        for weight, expected in codes_of(case, "weight_fitted").items():
            assert_exact(found[weight][0], expected)
    leaves = {weight: code.requires_grad_() for weight, code in codes_of(case, "weight_fitted").items()}
    images = decoder.render(leaves, spec)
    assert_exact(images, case["decoded"])
    gradients = torch.autograd.grad((images * case["direction"]).sum(), list(leaves.values()))
    expected_gradients = codes_of(case, "weight_grad")
    for weight, gradient in zip(leaves, gradients, strict=True):
        assert_exact(gradient, expected_gradients[weight], atol=1e-11)


PUBLISHED = [
    # side, images per class, hidden layers, width, numbers of a network, networks per class
    (32, 1, 2, 6, 81, 37),
    (32, 10, 2, 6, 81, 379),
    (32, 50, 2, 20, 543, 282),
    (32, 1, 2, 10, 173, 17),
    (32, 10, 2, 15, 333, 92),
    (32, 50, 2, 30, 1113, 138),
    (128, 1, 3, 20, 963, 51),
    (128, 10, 3, 20, 963, 510),
    (128, 50, 3, 40, 3523, 697),
    (256, 1, 3, 40, 3523, 55),
]
"""DDiF's own settings for CIFAR-10, CIFAR-100 and subsets of ImageNet."""


@pytest.mark.parametrize(("size", "per_class", "hidden_layers", "width", "numbers", "networks"), PUBLISHED)
def test_as_many_images_as_published(
    size: int, per_class: int, hidden_layers: int, width: int, numbers: int, networks: int
) -> None:
    decoder = DDiF(hidden_layers=hidden_layers, width=width)
    assert decoder.numbers(width, 3) == numbers
    assert decoder.capacity(per_class, square(size)) == decoder.unpacked(per_class, square(size)) == networks


def test_fitted_networks_give_nearly_the_images() -> None:
    spec = square(8, 1).model_copy(update={"width": 6, "std": (0.25,)})
    decoder = DDiF(width=8, fit_steps=300, fit_learning_rate=1e-2)
    images = torch.rand(2, 3, *spec.shape, generator=Streams(0).generator("images"))
    codes = decoder.encode(images, 1, spec, Streams(0))
    assert {name: tuple(code.shape) for name, code in codes.items()} == {
        "weight.0": (2, 3, 8, 2),
        "bias.0": (2, 3, 8),
        "weight.1": (2, 3, 8, 8),
        "bias.1": (2, 3, 8),
        "weight.2": (2, 3, 1, 8),
        "bias.2": (2, 3, 1),
    }
    for label, wanted in enumerate(images):
        one = {name: code[label] for name, code in codes.items()}
        given = decoder.decode(one, torch.tensor([label]), spec)
        assert given.labels.tolist() == [label] * 3
        assert float((given.images - wanted).square().mean()) < 0.2 * float(wanted.var())


def test_networks_larger_than_what_is_stored_are_refused() -> None:
    with pytest.raises(InputError) as error:
        DDiF(width=50).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.width: 50 ", "2,853", "images_per_class = 1", "192", "1 to 10")
    with pytest.raises(InputError) as error:
        DDiF(width=1, hidden_layers=200).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.width: 1 ", "hidden_layers = 200", "fewer")
    with pytest.raises(InputError) as error:
        DDiF(width=10**12, hidden_layers=10**12).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.width: 1000000000000 ", "fewer")
