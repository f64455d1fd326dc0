"""Precision ``auto`` is decided by the hardware, and asking for emulated bfloat16 is said once."""

import warnings

import pytest
import torch

from idc import condense
from idc.runtime import execution
from idc.runtime.execution import EmulatedPrecision, Execution, computes_bf16
from small import small_pipeline

CPU = torch.device("cpu")


@pytest.fixture(params=[True, False], ids=["bf16 in hardware", "bf16 emulated"])
def in_hardware(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    found = {"avx512_bf16": request.param, "amx_bf16": False, "avx512_f": True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    execution._warn_of_emulation.cache_clear()  # pyright: ignore[reportPrivateUsage]
    return request.param


def test_amx_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False, "amx_bf16": True})
    assert computes_bf16(CPU)


def test_auto_is_what_the_hardware_computes(in_hardware: bool) -> None:
    assert Execution.on(CPU, "auto", False).precision == ("bf16" if in_hardware else "fp32")
    assert Execution.on(CPU, "fp32", False).precision == "fp32"


def test_asking_for_bf16_where_it_is_emulated_is_said_once(in_hardware: bool) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for _ in range(3):
            assert Execution.on(CPU, "bf16", False).precision == "bf16"
    assert [each.category for each in said] == ([] if in_hardware else [EmulatedPrecision])
    for each in said:
        assert "auto" in str(each.message)


def test_the_artifact_says_which_precision_it_was(in_hardware: bool) -> None:
    run = condense(small_pipeline(precision="auto", iterations=0), device="cpu")
    header = run.synset().header
    assert header.pipeline["precision"] == "auto"
    assert header.computed is not None
    assert header.computed.precision == ("bf16" if in_hardware else "fp32")
