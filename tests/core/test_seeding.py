"""Named random streams."""

import torch

from idc.seeding import Streams


def draw(streams: Streams, *address: str | int) -> float:
    return float(torch.rand((), generator=streams.generator(*address)))


def test_a_draw_depends_on_seed_and_address_alone() -> None:
    assert draw(Streams(3), "match", 1, 2) == draw(Streams(3).child("match", 1), 2)
    different = {
        draw(Streams(3), "match", 1, 2),
        draw(Streams(3), "match", 2, 1),
        draw(Streams(3), "match", 12),
        draw(Streams(3), "sampler", 1, 2),
        draw(Streams(4), "match", 1, 2),
    }
    assert len(different) == 5


def test_draws_are_the_same_in_every_process() -> None:
    # Printed by `Streams(0).generator("init")` once; a change would make every old run irreproducible.
    assert Streams(0).generator("init").initial_seed() == 6371233353679607660


def test_seeded_blocks_restore_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with Streams(0).seeded("weights"):
        first = torch.rand(2)
    assert torch.equal(torch.rand(2), expected)
    with Streams(0).seeded("weights"):
        assert torch.equal(torch.rand(2), first)
