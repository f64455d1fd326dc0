"""A network of a pool: its ages in one file, written atomically and checked when it is read."""

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from idc.data.cache import PARTIAL
from idc.data.fingerprint import digest
from idc.errors import InputError, RunError, first_line
from idc.files.atomic import replacing
from idc.files.tensorfile import read_header, write_tensors
from idc.kinds import Model
from idc.network.network import Network
from idc.seeding import Streams
from idc.shapes import Tensors
from idc.spec import ImageSpec
from idc.training import pool_files
from idc.training.pool_files import PoolHeader, PoolRecipe

POOLS_ON_DEVICE = 2
"""Number of pools that a process keeps on a device."""
FILES_READ = 256
"""Number of files that a process keeps mapped."""

AGAIN = "remove it and create it again with idc pretrain PIPELINE"


@dataclass(frozen=True, eq=False)
class PooledNetwork:
    """A network of a pool at each of its kept ages."""

    epochs: tuple[float, ...]
    """After which it was kept, ascending."""
    networks: tuple[Network, ...]
    """At each age: its weights and buffers, without momentum."""
    accuracies: tuple[float, ...]
    """At each age, in percent, on the training batches since the age before; 0 where there were none."""


def write(file: Path, number: int, network: PooledNetwork, recipe: PoolRecipe, source: str) -> None:
    """Write a network's file.

    Args:
        file: of the network.
        number: of the network in its pool.
        network: at all its ages.
        recipe: of the pool.
        source: what was trained and for how long, for display.

    Raises:
        RunError: it cannot be written.
    """
    tensors: Tensors = {}
    for epoch, kept in zip(network.epochs, network.networks, strict=True):
        state = {**kept.weights, **kept.buffers}
        tensors |= {_name(epoch, name): tensor.detach().cpu() for name, tensor in state.items()}
    header = PoolHeader(
        source=source,
        recipe=recipe,
        number=number,
        accuracy=tuple(round(accuracy, 4) for accuracy in network.accuracies),
        tensors=digest(tensors),
    )
    try:
        pool_files.remove_abandoned(file.parent)
        with replacing(file, f"{file.stem}.", PARTIAL) as partial:
            write_tensors(partial, tensors, header)
    except OSError as error:
        raise RunError(
            f"{file} cannot be written ({error.strerror}); free some space, or name another folder with "
            "pool.path or IDC_CACHE"
        ) from None


def read(file: Path, recipe: PoolRecipe, number: int) -> tuple[PoolHeader, Tensors]:
    """Header and tensors of a network's file, mapped on the CPU; read only once unless it changes.

    Args:
        file: of the network.
        recipe: that it must have.
        number: that it must have.

    Raises:
        InputError: it is damaged, or of another pool.
    """
    return _read(file, _modified(file), recipe.text(), number)


def loaded(
    files: list[Path], recipe: PoolRecipe, model: Model, spec: ImageSpec, device: torch.device
) -> tuple[PooledNetwork, ...]:
    """The networks of a pool on a device; moved there only once unless a file changes.

    Args:
        files: of all networks, in their order.
        recipe: of the pool.
        model: the architecture.
        spec: of the images.
        device: to compute on.

    Raises:
        InputError: a file is damaged, or of another pool.
    """
    found = tuple((file, _modified(file)) for file in files)
    return _loaded(_Wanted(found, recipe.text(), device, recipe, model, spec))


@lru_cache(maxsize=FILES_READ)
def _read(file: Path, modified: int, recipe: str, number: int) -> tuple[PoolHeader, Tensors]:
    header = read_header(file, PoolHeader).header
    if header.recipe.text() != recipe or header.number != number:
        raise InputError(
            f"{file} is a network of another architecture, or trained on other data, by another recipe or in "
            f"another precision; set another folder, or {AGAIN}"
        )
    try:
        # Maps the file into memory, which processes share.
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{file} cannot be read ({first_line(error)}); {AGAIN}") from None
    if digest(tensors) != header.tensors:
        raise InputError(
            f"{file} is damaged: the hash of its tensors differs from that in its header; {AGAIN}"
        )
    return header, tensors


@dataclass(frozen=True)
class _Wanted:
    """A pool on a device; equal ones are loaded once."""

    files: tuple[tuple[Path, int], ...]
    """And when each was modified."""
    text: str
    """Of the recipe."""
    device: torch.device
    recipe: PoolRecipe = field(compare=False)
    model: Model = field(compare=False)
    spec: ImageSpec = field(compare=False)


@lru_cache(maxsize=POOLS_ON_DEVICE)
def _loaded(wanted: _Wanted) -> tuple[PooledNetwork, ...]:
    # One module for all, because building one may take longer than a step.
    template = wanted.model.fresh(wanted.spec, Streams(0), wanted.device)
    state, epochs = {**template.weights, **template.buffers}, wanted.recipe.epochs
    shapes = {_name(epoch, name): each.shape for epoch in epochs for name, each in state.items()}
    found: list[PooledNetwork] = []
    for number, (file, modified) in enumerate(wanted.files):
        header, tensors = _read(file, modified, wanted.text, number)
        if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
            raise InputError(f"{file}: its tensors are not those of {wanted.model.label()}; {AGAIN}")
        networks: list[Network] = []
        for epoch in epochs:
            networks.append(template.with_state({name: tensors[_name(epoch, name)] for name in state}))
        found.append(PooledNetwork(epochs, tuple(networks), header.accuracy))
    return tuple(found)


def _name(epoch: float, name: str) -> str:
    return f"{epoch:.10g}.{name}"


def _modified(file: Path) -> int:
    return file.stat().st_mtime_ns
