"""Decoders against the golden tensors (float64)."""

from pathlib import Path
from typing import Any

import pytest
import torch

from golden_cases import Case, golden_names, load_golden
from idc.condensation.loop import condense
from idc.errors import InputError
from idc.seeding import Streams
from idc.stages.decoders.multiformation import MultiFormation
from idc.stages.decoders.raw import Raw
from idc.synset.synset import Synset
from idc.testing import SPEC
from messages import assert_names
from small import small_pipeline

STREAMS = Streams(0)


def fields(case: Case) -> dict[str, object]:
    """The decoder's fields as a golden file's header says them."""
    kind = case.header["kind"].removeprefix("mix").lstrip("_") or "single"
    return {
        "factor": int(case.header["factor"]),
        "mode": kind if kind in ("multi", "bound") else "single",
        "bound": int(case.header.get("bound", 128)),
        "axis": "time" if kind == "time" else "both",
        "padding": float(case.header.get("pad_value", 0.5)),
    }


@pytest.mark.parametrize("name", golden_names("decode_"))
def test_multiformation_decodes_as_the_public_code(name: str) -> None:
    case = load_golden(name)
    decoder = MultiFormation.model_validate(fields(case))
    batch = decoder.decode({"images": case["codes"]}, case["code_labels"], SPEC)
    tolerance = 1e-12 if case.header.get("decoded_stored", "float64") == "float64" else 1e-7
    torch.testing.assert_close(batch.images, case["decoded"], rtol=0, atol=tolerance)
    assert torch.equal(batch.labels, case["decoded_labels"])


@pytest.mark.parametrize("name", golden_names("init_mix_"))
def test_multiformation_packs_as_the_public_code(name: str) -> None:
    case = load_golden(name)
    per_class = int(case.header["ipc"])
    decoder = MultiFormation.model_validate(fields(case))
    codes = decoder.encode(case["source"].float(), per_class, SPEC, STREAMS)
    assert torch.equal(codes["images"].flatten(0, 1).byte(), case["codes"])


def test_the_mode_of_evaluation_is_the_synsets() -> None:
    decoder = MultiFormation(factor=3, mode="bound", bound=12, evaluate="single")
    codes, labels = {"images": torch.rand(4, 1, 9, 9)}, torch.zeros(4, dtype=torch.int64)
    # No code has room for 9, two have room for 4, and the other two are whole.
    assert len(decoder.decode(codes, labels, SPEC)) == 2 * 4 + 2
    assert len(decoder.for_evaluation().decode(codes, labels, SPEC)) == 36
    assert MultiFormation(factor=3, mode="multi").for_evaluation().mode == "multi"
    synset = condense(
        small_pipeline(iterations=0, decoder__mode="multi", decoder__evaluate="single"), device="cpu"
    ).synset()
    assert len(synset) == synset.header.images == 10 * 2 * 4


def test_a_bound_below_the_stored_images_is_refused() -> None:
    with pytest.raises(InputError) as error:
        MultiFormation(mode="bound", bound=3).capacity(4, SPEC)
    assert_names(str(error.value), "decoder.bound: 3 ", "images_per_class = 4", "at least 4")


def test_images_are_stored_whole_when_there_is_one_for_each_stored_image() -> None:
    images = torch.rand(2, 3, 3, 8, 8)
    assert torch.equal(MultiFormation(factor=2).encode(images, 3, SPEC, STREAMS)["images"], images)


def test_raw_is_the_identity() -> None:
    images, labels = torch.rand(2, 3, 3, 8, 8), torch.tensor([1, 1, 1])
    batch = Raw().decode({"images": Raw().encode(images, 3, SPEC, STREAMS)["images"][1]}, labels, SPEC)
    assert torch.equal(batch.images, images[1])
    assert torch.equal(batch.labels, labels)


@pytest.mark.parametrize("decoder", [Raw(), MultiFormation(factor=2)])
def test_projection_clamps_to_the_value_range(decoder: Raw | MultiFormation) -> None:
    projected = decoder.project({"images": torch.tensor([-1.0, 0.5, 2.0])}, SPEC)["images"]
    assert projected.tolist() == [0.0, 0.5, 1.0]


def test_capacity_counts_tiles() -> None:
    assert MultiFormation(factor=3).capacity(10, SPEC) == 90
    assert Raw().capacity(10, SPEC) == 10


@pytest.mark.parametrize(("factor", "problem"), [(9, "larger"), (5, "without pixels")])
def test_factors_that_do_not_fit_are_refused(factor: int, problem: str) -> None:
    with pytest.raises(InputError) as error:
        MultiFormation(factor=factor).capacity(1, SPEC)
    assert_names(str(error.value), f"decoder.factor: {factor} ", problem, "8x8", "1, 2, 3, 4, 8")


@pytest.mark.parametrize("modes", [{"mode": "multi"}, {"mode": "bound", "bound": 30}, {"evaluate": "multi"}])
def test_smaller_factors_in_use_must_fit_too(modes: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        MultiFormation(factor=8, **modes).capacity(1, SPEC)
    assert_names(str(error.value), "decoder.factor: with 8", "also use 5", "8x8", "below 5", "'single'")
    assert MultiFormation(factor=8).capacity(1, SPEC) == 64
    assert MultiFormation(factor=8, mode="bound").capacity(1, SPEC) == 64, (
        "128 images are no fewer than it gives"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "fred", "frequencies": 12},
        {"type": "ddif", "width": 3, "fit_steps": 5},
        {"type": "gsdd", "gaussians": 4, "fit_steps": 5, "factor": 2},
        {"type": "mirror", "factor": 2},
    ],
    ids=lambda fields: fields["type"],
)
def test_a_run_moves_the_codes_and_its_file_gives_the_same_images(
    fields: dict[str, object], tmp_path: Path
) -> None:
    run = condense(small_pipeline(iterations=1, inner_steps=1, decoder=fields), device="cpu")
    before = {name: code.clone() for name, code in run.codes().items()}
    for _ in run:
        pass
    decoder = run.pipeline.decoder
    for name, code in run.codes().items():
        assert torch.equal(code, before[name]) == (name in decoder.fixed), name
    synset = run.synset()
    mirrored = 2 if fields["type"] == "mirror" else 1
    assert synset.matched_per_class == mirrored * decoder.capacity(2, synset.spec)
    assert len(synset) == 10 * decoder.capacity(2, synset.spec)
    synset.save(tmp_path / "synset.safetensors")
    assert torch.equal(Synset.load(tmp_path / "synset.safetensors").images, synset.images)
