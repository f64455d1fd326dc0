"""DiffAug, DSA and kornia. Golden tensors in float64; distributions by their bounds."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from golden_cases import Case, assert_exact, golden_names, load_golden
from idc.errors import InputError
from idc.seeding import Streams
from idc.shapes import Draw
from idc.spec import ImageSpec
from idc.testing import SPEC, check_augmentation
from idc.training.preprocessing import Preprocessing
from idc_augment.dsa import DSA
from idc_augment.imagenet import EIGENVALUES, EIGENVECTORS, ImageNet
from idc_augment.kornia import Kornia


def golden_draw(case: Case, operations: list[str]) -> Draw:
    """The parameters of a golden case under the names that DSA gives them."""
    parameters: dict[str, Tensor] = {}
    for operation in operations:
        match operation:
            case "flip":
                parameters["flip.mask"] = case["flip_mask"].bool()
            case "brightness":
                parameters["brightness.offset"] = case["brightness_offset"]
            case "saturation" | "contrast":
                parameters[f"{operation}.factor"] = case[f"{operation}_factor"]
            case "crop":
                parameters["crop.rows"] = case["shift_rows"]
                parameters["crop.columns"] = case["shift_cols"]
            case "translate":
                parameters["translate.rows"] = torch.zeros_like(case["shift_cols"])
                parameters["translate.columns"] = case["shift_cols"]
            case "cutout":
                parameters["cutout.row"] = case["centre_row"]
                parameters["cutout.column"] = case["centre_col"]
            case _:
                parameters[f"{operation}.theta"] = case["theta"]
    return Draw(parameters)


def applied(draw: Draw) -> tuple[str, ...]:
    """The operations that a draw applies, in order."""
    names = dict.fromkeys(name.partition(".")[0] for name in draw.parameters)
    masks = {name: draw.parameters.get(f"{name}.chosen", torch.tensor([True])) for name in names}
    assert all(mask.all() or not mask.any() for mask in masks.values()), "a batch has one choice"
    return tuple(name for name, mask in masks.items() if mask.all())


def first_of(draw: Draw) -> Draw:
    return Draw({name: tensor[:1] for name, tensor in draw.parameters.items()})


@pytest.mark.parametrize("name", [n for n in golden_names("diffaug_") if "pipeline" not in n])
def test_each_operation_is_diffaugs(name: str) -> None:
    case = load_golden(name)
    draw = golden_draw(case, [case.header["op"]])
    assert_exact(DSA().apply(case["input"], draw), case["output"], rtol=0.0)
    if case.header["form"] == "batch":
        siamese = DSA().apply(case["input"], first_of(draw))
        assert_exact(siamese, case["output"], rtol=0.0)


@pytest.mark.parametrize("name", golden_names("dsa_"))
def test_composed_as_dsa(name: str) -> None:
    case = load_golden(name)
    draw = golden_draw(case, case.header["op_order"].split("_"))
    assert_exact(DSA().apply(case["input"], draw), case["output"], rtol=0.0)


@pytest.mark.parametrize("name", golden_names("diffaug_pipeline"))
def test_composed_as_idc(name: str) -> None:
    case = load_golden(name)
    channels, height, width = case["unit_input"].shape[1:]
    spec = ImageSpec(
        channels=channels,
        height=height,
        width=width,
        classes=("one",),
        mean=tuple(case["mean"].tolist()),
        std=tuple(case["std"].tolist()),
    )
    operations = [each for each in case.header["op_order"].split("_") if each]
    preprocessing = Preprocessing(spec, (DSA(),), dtype=torch.float64)
    output = preprocessing(case["unit_input"], [golden_draw(case, operations)])
    assert_exact(output, case["output"], rtol=0.0)


@pytest.mark.parametrize(
    "name",
    # "none" is an empty list of stages here.
    [n for n in golden_names("diffaug_pipeline") if load_golden(n).header["strategy"] != "none"],
)
def test_idc_mode_applies_what_the_public_code_applies(name: str) -> None:
    case = load_golden(name)
    pool = case.header["pool"].split("_")
    stage = DSA(strategy=case.header["strategy"])
    # The golden order with each member of the pool in the chosen one's place, and nothing else.
    possible = {
        tuple(case.header["op_order"].replace(case.header["chosen"], other).split("_")) for other in pool
    }
    drawn = {applied(stage.draw(1, SPEC.shape, Streams(seed).generator())) for seed in range(100)}
    assert drawn == possible


def test_single_mode_draws_each_operation_equally_often() -> None:
    stage = DSA(strategy="color_crop_cutout_flip_scale_rotate", mode="single")
    drawn = [applied(stage.draw(3, SPEC.shape, Streams(seed).generator())) for seed in range(600)]
    kinds = set(drawn)
    assert kinds == {
        ("brightness", "saturation", "contrast"), ("crop",), ("cutout",), ("flip",), ("scale",), ("rotate",)
    }  # fmt: skip
    # 600 draws from 6: mean 100, sd 9.1; five sd either way.
    assert all(55 < drawn.count(kind) < 145 for kind in kinds)


def test_parameters_fill_their_ranges() -> None:
    stage = DSA(strategy="flip_color_crop_scale_rotate_translate_cutout", mode="all")
    draw = stage.draw(20_000, (3, 32, 9), Streams(0).generator()).parameters
    bounds = {
        "brightness.offset": (-0.5, 0.5),
        "saturation.factor": (0.0, 2.0),
        "contrast.factor": (0.5, 1.5),
    }
    for name, (low, high) in bounds.items():
        assert low <= draw[name].min() < low + 0.01, name
        assert high - 0.01 < draw[name].max() <= high, name
    integers = {
        "crop.rows": (-4, 4),
        "crop.columns": (-1, 1),
        "translate.rows": (0, 0),
        "translate.columns": (-1, 1),
        "cutout.row": (0, 32),  # a box of 16 rows: even
        "cutout.column": (0, 8),  # a box of 5 columns: odd
    }
    for name, (low, high) in integers.items():
        assert draw[name].unique().tolist() == list(range(low, high + 1)), name
    scales = draw["scale.theta"][:, [0, 1], [0, 1]]
    assert 1 / 1.2 <= scales.min() < 0.84
    assert 1.19 < scales.max() <= 1.2
    angles = torch.rad2deg(torch.atan2(draw["rotate.theta"][:, 1, 0], draw["rotate.theta"][:, 0, 0]))
    assert -15.001 < angles.min() < -14.9
    assert 14.9 < angles.max() < 15.001
    assert draw["flip.mask"].float().mean().item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("strategy", ["color_foo", "", "crop_crop"])
def test_unknown_operations_are_refused(strategy: str) -> None:
    with pytest.raises(
        ValidationError, match=rf"strategy\n.*'{strategy}' .*distinct .*underscores; .*flip, color, .*cutout"
    ):
        DSA(strategy=strategy)


def test_kornia_is_applied_to_images_in_their_value_range() -> None:
    stage = Kornia(name="RandomInvert", arguments={"p": 1.0})
    preprocessing = Preprocessing(SPEC, (stage,))
    images = torch.rand(4, *SPEC.shape)
    draws = preprocessing.draw(4, Streams(0).generator())
    torch.testing.assert_close(preprocessing(images, draws), Preprocessing(SPEC)(1 - images))


@pytest.mark.parametrize(("low", "high"), [(0.0, 255.0), (-1.0, 1.0)])
def test_an_augmentation_of_images_from_0_to_1_gets_any_range_as_such(low: float, high: float) -> None:
    length = high - low
    spec = SPEC.model_copy(
        update={
            "low": low,
            "high": high,
            "mean": tuple(low + length * each for each in SPEC.mean),
            "std": tuple(length * each for each in SPEC.std),
        }
    )
    jitter = Kornia(name="ColorJitter", arguments={"brightness": 0.4, "contrast": 0.4, "p": 1.0})
    stages = (jitter, DSA(strategy="color"), jitter)
    images = torch.rand(4, *SPEC.shape)
    expected, output = (
        each(taken, each.draw(4, Streams(0).generator()))
        for each, taken in (
            (Preprocessing(SPEC, stages), images),
            (Preprocessing(spec, stages), low + length * images),
        )
    )
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-4)


def test_unbounded_values_are_augmented_as_they_are() -> None:
    spec = SPEC.model_copy(update={"low": -80.0, "high": None})
    flip = Kornia(name="RandomHorizontalFlip", arguments={"p": 1.0})
    images = 100 * torch.randn(4, *SPEC.shape)
    preprocessing = Preprocessing(spec, (flip,))
    flipped = preprocessing(images, preprocessing.draw(4, Streams(0).generator()))
    torch.testing.assert_close(flipped, Preprocessing(spec)(images.flip(3)))


def test_spaces_may_alternate() -> None:
    invert = Kornia(name="RandomInvert", arguments={"p": 1.0})
    brighter = DSA(strategy="color", brightness=0.0, saturation=0.0)
    preprocessing = Preprocessing(SPEC, (brighter, invert, brighter, invert))
    images = torch.rand(2, *SPEC.shape)
    output = preprocessing(images, preprocessing.draw(1, Streams(0).generator()))
    assert output.isfinite().all()
    assert output.shape == images.shape


def test_siamese_kornia_draws_once_for_any_number_of_images() -> None:
    stage = Kornia(name="RandomAffine", arguments={"degrees": 40.0, "p": 0.5})
    images = torch.rand(6, *SPEC.shape)
    changed = set()
    for seed in range(12):
        draw = stage.draw(1, SPEC.shape, Streams(seed).generator())
        together = stage.apply(images, draw)
        torch.testing.assert_close(together[3:4], stage.apply(images[3:4], draw))
        changed.add(torch.equal(together, images))
    assert changed == {True, False}, "p = 0.5 sometimes applies and sometimes does not"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("RandomFoo", {}, "name 'RandomFoo' is not a 2-D augmentation"),
        ("AugmentationSequential", {}, "is not a 2-D augmentation"),
        ("RandomAffine", {"degree": 3}, "arguments of RandomAffine"),
    ],
)
def test_kornia_refuses_what_it_does_not_have(name: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Kornia(name=name, arguments=arguments)


def test_imagenets_augmentation_changes_every_image_on_its_own() -> None:
    stage, images = ImageNet(), torch.rand(1, 3, 16, 16).repeat(8, 1, 1, 1)
    draw = stage.draw(8, (3, 16, 16), Streams(0).generator())
    changed = stage.apply(images, draw)
    assert changed.shape == images.shape
    assert len({tuple(image.flatten().tolist()) for image in changed}) == 8


def test_imagenets_lighting_moves_colours_along_their_principal_components() -> None:
    stage = ImageNet(area=(1.0, 1.0), flip=0.0, jitter=0.0, lighting=0.5)
    images = torch.rand(400, 3, 4, 4)
    moved = stage.apply(images, stage.draw(400, (3, 4, 4), Streams(0).generator())) - images
    # The same for all pixels of an image, with the covariance V diag(0.5 e)² Vᵀ.
    assert torch.allclose(moved, moved[:, :, :1, :1].expand_as(moved), atol=1e-4)
    covariance = torch.cov(moved[:, :, 0, 0].T)
    vectors, values = torch.tensor(EIGENVECTORS), torch.tensor(EIGENVALUES)
    expected = vectors @ torch.diag((0.5 * values) ** 2) @ vectors.T
    torch.testing.assert_close(covariance, expected, rtol=0.2, atol=1e-5)


def test_imagenets_crops_have_the_area_asked_for() -> None:
    stage = ImageNet(area=(0.25, 0.25), flip=0.0, jitter=0.0, lighting=0.0)
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    spans = []
    for seed in range(40):
        row = stage.apply(ramp, stage.draw(1, (3, 32, 32), Streams(seed).generator()))[0, 0, 16]
        spans.append(float(row.max() - row.min()))
    # A quarter of the area is half of the width, give or take the aspect ratio of 3/4 to 4/3.
    assert 0.40 < min(spans) < max(spans) < 0.60


def test_a_channel_that_is_dropped_is_dropped_from_all_in_a_siamese_draw() -> None:
    check_augmentation(Kornia(name="RandomChannelDropout", arguments={"p": 1.0}))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("RandomHue", {"p": 1.0}), ("RandomSaturation", {"p": 0.5, "saturation": [0.5, 1.5]})],
)
def test_augmentations_that_need_colour_are_refused_for_grey_images(
    name: str, arguments: dict[str, object]
) -> None:
    grey = SPEC.model_copy(update={"channels": 1, "mean": (0.5,), "std": (0.5,)})
    with pytest.raises(
        InputError, match=rf"^augment: kornia .*{name}.* images of .*\(1, 8, 8\).*another augmentation"
    ):
        Preprocessing(grey, (Kornia(name=name, arguments=arguments),)).refuse_unfit()
