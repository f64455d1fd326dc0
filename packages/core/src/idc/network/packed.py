"""A network as named tensors and a few facts, for files and for other processes."""

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from idc.network.network import Network
from idc.seeding import Streams
from idc.shapes import Tensors
from idc.table import Table


class NetworkFacts(Table):
    """A network's state besides its tensors."""

    address: tuple[str | int, ...]
    """Address of its random streams."""
    batches: Annotated[int, Field(ge=0)]
    """Training batches seen."""
    optimizer_steps: Annotated[int, Field(ge=0)]
    """Steps since the state of its optimizer was reset."""


def packed(network: Network) -> tuple[Tensors, NetworkFacts]:
    """A network's tensors, such as ``weights.0.bias`` and ``optimizer.velocity.0.bias``, and the rest."""
    tensors = flat(
        {
            "weights": network.weights,
            "buffers": network.buffers,
            "optimizer": flat(network.optimizer),
            "companions": flat(network.companions),
            "facts": network.facts,
        }
    )
    facts = NetworkFacts(
        address=network.streams.address, batches=network.batches, optimizer_steps=network.optimizer_steps
    )
    return tensors, facts


def unpacked(tensors: Tensors, facts: NetworkFacts, like: Network) -> Network:
    """The network that `packed` was called with.

    Args:
        tensors: as returned by `packed`, on the device to compute on, in any order.
        facts: as returned by `packed`.
        like: a network of the same model and seed.

    Raises:
        ValueError: the tensors are of another model.
    """
    parts = nested(tensors)
    return replace(
        like,
        streams=Streams(like.streams.seed, facts.address),
        weights=fitting(like.weights, parts.get("weights", {})),
        buffers=fitting(like.buffers, parts.get("buffers", {})),
        optimizer={
            name: fitting(like.weights, each) for name, each in nested(parts.get("optimizer", {})).items()
        },
        companions={
            name: fitting({**like.weights, **like.buffers}, each)
            for name, each in nested(parts.get("companions", {})).items()
        },
        facts=parts.get("facts", {}),
        optimizer_steps=facts.optimizer_steps,
        batches=facts.batches,
    )


def flat(tables: dict[str, Tensors]) -> Tensors:
    """Tensors of named tables as one table, by ``table.name``."""
    return {f"{outer}.{name}": each for outer, table in tables.items() for name, each in table.items()}


def nested(tensors: Tensors) -> dict[str, Tensors]:
    """The tables that `flat` was called with, except empty ones."""
    tables: dict[str, Tensors] = {}
    for name, tensor in tensors.items():
        outer, _, inner = name.partition(".")
        tables.setdefault(outer, {})[inner] = tensor
    return tables


def fitting(wanted: Tensors, found: Tensors) -> Tensors:
    """The tensors found, in the order of those wanted, which matters to sums over them.

    Raises:
        ValueError: names, shapes or dtypes differ.
    """
    of_both = [{name: (each.shape, each.dtype) for name, each in some.items()} for some in (wanted, found)]
    if of_both[0] != of_both[1]:
        raise ValueError("names, shapes or dtypes of tensors differ")
    return {name: found[name] for name in wanted}
