"""The epoch sampler."""

import torch

from idc.seeding import Streams
from idc.stages.samplers.epoch import Epoch

STREAMS = Streams(0, ("sampler", 0))


def test_every_pass_deals_out_different_images() -> None:
    members = torch.arange(100, 110)
    batches = [Epoch(batch_size=4).real(members, step, STREAMS).tolist() for step in range(4)]
    # Two full batches a pass; the two images left over wait for the next shuffle.
    assert len({*batches[0], *batches[1]}) == 8
    assert len({*batches[2], *batches[3]}) == 8
    assert batches[:2] != batches[2:]


def test_a_small_class_is_taken_whole() -> None:
    members = torch.tensor([5, 7, 9])
    assert sorted(Epoch(batch_size=64).real(members, 3, STREAMS).tolist()) == [5, 7, 9]


def test_synthetic_images_are_subsampled_only_beyond_the_limit() -> None:
    sampler = Epoch(max_synthetic=8)
    assert sampler.synthetic(8, 0, STREAMS) is None, "all of them"
    drawn, other = (sampler.synthetic(20, step, STREAMS) for step in (0, 1))
    assert drawn is not None
    assert other is not None
    assert len(set(drawn.tolist())) == 8
    assert drawn.tolist() != other.tolist()
