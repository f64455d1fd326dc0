"""Memory told beforehand."""

import warnings

import pytest
import torch
from torch import Tensor

from idc.condensation.loop import condense
from idc.errors import Notice
from idc.runtime import memory
from idc.runtime.memory import available, peak
from small import small_pipeline


def chain(images: Tensor, *, keep: bool) -> Tensor:
    doubled = images * 2
    view = doubled.view(-1)
    more = view + 1
    if not keep:
        del doubled, view
    return more * 3


def test_the_peak_counts_what_is_held_at_once_and_views_not_at_all() -> None:
    images = torch.rand(10, 100)
    # Three tensors of 4000 bytes if the first is kept, else two.
    assert peak(lambda x: chain(x, keep=True), images) == 12_000
    assert peak(lambda x: chain(x, keep=False), images) == 8_000
    assert peak(lambda x: x.view(100, 10).T, images) == 0


def test_what_autograd_keeps_is_counted() -> None:
    def squared(x: Tensor) -> Tensor:
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad((leaf.exp() * leaf.sin()).sum(), leaf)[0]

    assert peak(squared, torch.rand(1000)) >= 3 * 4000


def test_the_peak_takes_neither_memory_nor_time() -> None:
    size = 10**13
    assert peak(lambda x: x.expand(size) * 2.0, torch.rand(1)) == 4 * size


def test_memory_grows_with_what_is_matched() -> None:
    # With fewer, it is the synthetic images that take most.
    pipelines = [small_pipeline(compile=True, sampler__batch_size=size) for size in (32, 64, 128)]
    found = [condense(pipeline, device="cpu").group.memory for pipeline in pipelines]
    assert all(found)
    small, medium, large = (float(size or 0) for size in found)
    assert small < medium < large
    assert large - medium == pytest.approx(2 * (medium - small), rel=0.05)


def test_too_much_is_said_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda _: 1000)
    with pytest.warns(Notice, match=r"one class .*0\.0 GB .*0\.0 GB .*free; .*lower sampler\.batch_size"):
        condense(small_pipeline(compile=True), device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert condense(small_pipeline(), device="cpu").group.memory is None, "little, so not asked"


def test_available_memory_is_some_and_no_more_than_there_is() -> None:
    free = available(torch.device("cpu"))
    assert free is None or 10**7 < free < 10**14
