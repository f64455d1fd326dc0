"""Decoders against the golden tensors (float64)."""

import pytest
import torch

from golden_cases import golden_names, load_golden
from idc.decoders.multiformation import MultiFormation
from idc.decoders.raw import Raw
from idc.errors import InputError
from idc.testing import SPEC


@pytest.mark.parametrize("name", golden_names("decode_single"))
def test_multiformation_decodes_as_the_public_code(name: str) -> None:
    case = load_golden(name)
    decoder = MultiFormation(factor=int(case.header["factor"]))
    batch = decoder.decode({"images": case["codes"]}, case["code_labels"])
    tolerance = 1e-12 if case.header["decoded_stored"] == "float64" else 1e-7
    torch.testing.assert_close(batch.images, case["decoded"], rtol=0, atol=tolerance)
    assert torch.equal(batch.labels, case["decoded_labels"])


@pytest.mark.parametrize("name", golden_names("init_mix_f"))
def test_multiformation_packs_as_the_public_code(name: str) -> None:
    case = load_golden(name)
    per_class = int(case.header["ipc"])
    codes = MultiFormation(factor=int(case.header["factor"])).encode(case["source"].float(), per_class)
    assert torch.equal(codes["images"].flatten(0, 1).byte(), case["codes"])


def test_images_are_stored_whole_when_there_is_one_for_each_stored_image() -> None:
    images = torch.rand(2, 3, 3, 8, 8)
    assert torch.equal(MultiFormation(factor=2).encode(images, 3)["images"], images)


def test_raw_is_the_identity() -> None:
    images, labels = torch.rand(2, 3, 3, 8, 8), torch.tensor([1, 1, 1])
    batch = Raw().decode({"images": Raw().encode(images, 3)["images"][1]}, labels)
    assert torch.equal(batch.images, images[1])
    assert torch.equal(batch.labels, labels)


@pytest.mark.parametrize("decoder", [Raw(), MultiFormation(factor=2)])
def test_projection_clamps_to_the_value_range(decoder: Raw | MultiFormation) -> None:
    projected = decoder.project({"images": torch.tensor([-1.0, 0.5, 2.0])}, SPEC)["images"]
    assert projected.tolist() == [0.0, 0.5, 1.0]


def test_capacity_counts_tiles() -> None:
    assert MultiFormation(factor=3).capacity(10, SPEC) == 90
    assert Raw().capacity(10, SPEC) == 10


def test_factor_larger_than_the_image_is_refused() -> None:
    with pytest.raises(InputError) as error:
        MultiFormation(factor=9).capacity(1, SPEC)
    assert str(error.value) == ("decoder.factor: 9 is larger than the image (8x8 pixels); allowed are 1 to 8")
