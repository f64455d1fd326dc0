"""On a GPU: the same codes as on a CPU, and no step that waits for the device."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from idc.condensation.loop import condense
from idc.seeding import Streams
from idc.stages.networks.real import Real
from idc.testing import ToyModel
from small import small_pipeline

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@contextmanager
def without_waiting() -> Iterator[None]:
    """Fails at whatever makes the CPU wait for the GPU."""
    try:
        torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("at_once", [1, 5])
def test_codes_are_as_on_a_cpu(compiled: bool, at_once: int) -> None:
    pipeline = small_pipeline(compile=compiled).model_copy(update={"model": ToyModel()})
    on_cpu = condense(pipeline.model_copy(update={"compile": False}), device="cpu")
    on_gpu = condense(pipeline, device="cuda", classes_at_once=at_once)
    for run in (on_cpu, on_gpu):
        list(run)
    # TF32 has ten bits of mantissa.
    torch.testing.assert_close(on_gpu.codes()["images"].cpu(), on_cpu.codes()["images"], rtol=1e-2, atol=1e-3)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_no_step_waits_for_the_device(compiled: bool) -> None:
    pipeline = small_pipeline(compile=compiled, iterations=1, inner_steps=20)
    condensation = condense(pipeline, device="cuda")
    train = condensation.data.train
    network = pipeline.model.fresh(train.spec, Streams(0), train.pixels.device)
    networks = pipeline.networks
    assert isinstance(networks, Real)
    with condensation.group.execution.active():
        for step in range(3):
            condensation.group.inner_step(network, step)
            network = networks.train(network, train, lambda: train)
        with without_waiting():
            condensation.group.inner_step(network, 3)
            networks.train(network, train, lambda: train)


def test_as_many_classes_at_once_as_memory_holds() -> None:
    condensation = condense(small_pipeline(), device="cuda", classes_at_once="auto")
    assert condensation.group.memory
    assert condensation.computed.classes_at_once > 1
    list(condensation)
