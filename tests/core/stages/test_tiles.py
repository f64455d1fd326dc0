"""IDM's order of tiles and its downsampling against the golden tensors (float64)."""

import pytest
import torch

from golden_cases import assert_exact, golden_names, load_golden
from idc.errors import InputError
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.decoders.tiles import pack
from idc.testing import SPEC
from messages import assert_names


@pytest.mark.parametrize("name", golden_names("idm_expand_"))
def test_tiles_by_columns_and_means_are_the_public_codes(name: str) -> None:
    case = load_golden(name)
    decoder = MultiFormation(factor=2, order="columns", packing="mean")
    batch = decoder.decode({"images": case["codes"]}, case["code_labels"], SPEC)
    # Tile by tile, as all decoders here; the public code has the same order.
    assert_exact(batch.images, case["decoded"])
    assert torch.equal(batch.labels, case["decoded_labels"])
    size = int(case.header["size"]) // 2
    sources = case["source"][:1].repeat(4, 1, 1, 1)[None]
    packed = pack(sources, 2, 2, "columns", "mean")
    assert_exact(packed[0, 0, :, :size, :size], case["shrunk"][0])


def test_packing_by_columns_is_undone_by_decoding_by_columns() -> None:
    spec = ImageSpec(channels=1, height=6, width=9, classes=("a", "b"), mean=(0.5,), std=(0.2,))
    shades = (torch.arange(9) / 10).view(1, 9, 1, 1, 1).expand(2, 9, 1, 6, 9)
    decoder = MultiFormation(factor=3, order="columns", packing="mean")
    codes = decoder.encode(shades, 1, spec, Streams(0))
    # The second image is below the first, not beside it.
    assert codes["images"][0, 0, 0, 2, 0] == pytest.approx(0.1)
    decoded = decoder.decode({"images": codes["images"][1]}, torch.tensor([1]), spec)
    torch.testing.assert_close(decoded.images, shades[1])


def test_means_need_sides_that_the_factor_divides() -> None:
    spec = SPEC.model_copy(update={"height": 12, "width": 8})
    assert MultiFormation(factor=4, packing="mean").capacity(1, spec) == 16
    assert MultiFormation(factor=2, packing="mean", axis="time").capacity(1, spec) == 2
    with pytest.raises(InputError) as error:
        MultiFormation(factor=3, packing="mean").capacity(1, spec)
    assert_names(str(error.value), "decoder.packing: 'mean'", "factor = 3", "12x8", "nearest", "1, 2, 4")
