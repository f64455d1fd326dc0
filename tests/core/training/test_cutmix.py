"""CutMix against the golden tensors (float64)."""

import pytest
import torch

from golden_cases import assert_exact, golden_names, load_golden
from idc.seeding import Streams
from idc.shapes import Draw
from idc.training.cutmix import cutmix, cutmix_box, draw_cutmix, mixed_cross_entropy, own_weight


def test_boxes_are_those_of_the_public_code() -> None:
    case = load_golden("cutmix_boxes")
    rows = zip(case["height_width_centre"].tolist(), case["lam"].tolist(), case["box"].tolist(), strict=True)
    for number, ((height, width, row, column), share, expected) in enumerate(rows):
        box = cutmix_box(height, width, row, column, share)
        assert list(box) == expected
        assert own_weight(height, width, box) == pytest.approx(float(case["label_weight"][number]), abs=1e-15)


@pytest.mark.parametrize("name", golden_names("cutmix_mix"))
def test_mixing_is_that_of_the_public_code(name: str) -> None:
    case = load_golden(name)
    height, width = case["input"].shape[-2:]
    row, column = case["centre"].tolist()
    box = cutmix_box(height, width, row, column, float(case["lam"]))
    assert list(box) == case["box"].tolist()
    mix = Draw(
        {
            "permutation": case["permutation"],
            "box": torch.tensor(box),
            "weight": torch.tensor(own_weight(height, width, box), dtype=torch.float64),
        }
    )
    torch.testing.assert_close(cutmix(case["input"], mix), case["output"], rtol=0, atol=0)
    loss = mixed_cross_entropy(case["logits"], case["labels"], mix)
    assert_exact(loss, case["loss"])


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_cutmix_is_applied_as_often_as_asked(probability: float) -> None:
    draws = [
        draw_cutmix(4, (3, 32, 32), probability, Streams(seed).generator()).parameters for seed in range(1000)
    ]
    mixed = sum(float(draw["weight"]) < 1 for draw in draws) / 1000
    # Boxes of side below 2 are empty: for shares above 1 - (2/32)², 0.4 % of the draws.
    assert mixed == pytest.approx(0.996 * probability, abs=0.05)
    if probability == 0:
        images = torch.rand(4, 3, 32, 32)
        assert torch.equal(cutmix(images, Draw(draws[0])), images)
