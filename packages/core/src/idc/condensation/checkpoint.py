"""Checkpoints: the complete state of a condensation in one safetensors file."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from idc.condensation.loop import Condensation
from idc.condensation.state import State
from idc.config.compatibility import differences
from idc.data.fingerprint import digest
from idc.errors import InputError, Notice, first_line
from idc.files.atomic import replace_verified
from idc.files.tensorfile import FileHeader, read_header, write_tensors
from idc.seeding import Streams
from idc.shapes import Tensors
from idc.synset.provenance import Computed, versions
from idc.table import Table


class NetworkFacts(Table):
    """A network's state besides its tensors."""

    address: tuple[str | int, ...]
    """Address of its random streams."""
    batches: Annotated[int, Field(ge=0)]
    """Training batches seen."""
    optimizer_steps: Annotated[int, Field(ge=0)]
    """Steps since the state of its optimizer was reset."""


class CheckpointHeader(FileHeader):
    """A checkpoint's contents besides its tensors."""

    key: ClassVar[str] = "idc.checkpoint"
    what: ClassVar[str] = "checkpoint"
    latest: ClassVar[int] = 3

    pipeline: dict[str, Any]
    """The resolved pipeline."""
    fingerprint: str
    """Of the training split."""
    test_fingerprint: str
    """Of the test split."""
    step: Annotated[int, Field(ge=0)]
    """Inner steps since the beginning of the run."""
    network: NetworkFacts | None = None
    prepared: bool
    """Whether `Objective.prepare` was called."""
    seconds: Annotated[float, Field(ge=0)]
    """Wall-clock seconds of the condensation so far."""
    computed: Computed
    versions: dict[str, str]
    tensors: str
    """SHA-256 of all tensors."""


class Checkpoint(NamedTuple):
    """A checkpoint that was read and verified."""

    header: CheckpointHeader
    tensors: Tensors


def save(path: Path, condensation: Condensation, seconds: float) -> None:
    """Write a checkpoint and verify it before it replaces the previous one, which is kept.

    Args:
        path: the file.
        condensation: between two steps.
        seconds: wall-clock seconds of the condensation so far.

    Raises:
        OSError: it cannot be written; an existing checkpoint is unchanged.
    """
    state = condensation.state
    tensors = dict(_named(state))
    header = CheckpointHeader(
        format=CheckpointHeader.latest,
        pipeline=condensation.pipeline.table(),
        fingerprint=condensation.data.train.fingerprint(),
        test_fingerprint=condensation.data.test.fingerprint(),
        computed=condensation.computed,
        step=state.step,
        network=state.network
        and NetworkFacts(
            address=state.network.streams.address,
            batches=state.network.batches,
            optimizer_steps=state.network.optimizer_steps,
        ),
        prepared=state.prepared is not None,
        seconds=round(seconds, 3),
        versions=versions(),
        tensors=digest(tensors),
    )
    replace_verified(path, lambda file: write_tensors(file, tensors, header), read)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint and compare its tensors with their hash.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    header = read_header(path, CheckpointHeader).header
    try:
        tensors = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable checkpoint ({first_line(error)})") from None
    if digest(tensors) != header.tensors:
        raise InputError(f"{path}: damaged; the hash of its tensors differs from that in the header")
    return Checkpoint(header, tensors)


def restore(checkpoint: Checkpoint, condensation: Condensation) -> None:
    """Set a condensation that has not started to a checkpoint's state.

    Raises:
        InputError: the checkpoint is of other data, or its tensors do not fit.
    """
    header, device = checkpoint.header, condensation.device
    now = condensation.data.train.fingerprint(), condensation.data.test.fingerprint()
    if (header.fingerprint, header.test_fingerprint) != now:
        which = "training" if header.fingerprint != now[0] else "test"
        raise InputError(
            f"--resume: the {which} data have changed since the run was started (their fingerprint differs); "
            "restore them, or start again with --overwrite"
        )
    began = {**header.computed.model_dump(), **header.versions}
    changed = dict(differences(began, {**condensation.computed.model_dump(), **versions()}))
    if changed:
        which = ", ".join(f"{name} {before} then, {now} now" for name, (before, now) in changed.items())
        warnings.warn(
            f"resuming in another environment, so results may differ in the last digits: {which}", Notice, 2
        )
    if header.step > len(condensation):
        raise InputError(
            f"--resume: the checkpoint is at step {header.step}, but this pipeline has only "
            f"{len(condensation)}; set more iterations"
        )
    parts: dict[str, Tensors] = {}
    for name, tensor in checkpoint.tensors.items():
        part, _, rest = name.partition(".")
        # Positions selected by a sampler stay on the CPU.
        parts.setdefault(part, {})[rest] = tensor if part == "refreshed" else tensor.to(device, copy=True)
    codes, of_codes = parts.get("codes", {}), parts.get("optimizer", {})
    network = None
    if header.network is not None:
        streams = Streams(condensation.pipeline.seed, header.network.address)
        network = condensation.pipeline.model.fresh(condensation.data.spec, streams, device)
        weights, buffers = parts.get("network_weights", {}), parts.get("network_buffers", {})
        state = _nested(parts.get("network_optimizer", {}))
        network = replace(
            network,
            weights=_fitting(network.weights, weights),
            buffers=_fitting(network.buffers, buffers),
            optimizer={name: _fitting(network.weights, of_weights) for name, of_weights in state.items()},
            optimizer_steps=header.network.optimizer_steps,
            batches=header.network.batches,
            companions=_nested(parts.get("network_companions", {})),
            facts=parts.get("network_facts", {}),
        )
    elif header.step % condensation.pipeline.inner_steps:
        raise InputError(
            f"--resume: the checkpoint is damaged: it has no network, which step {header.step} needs; start "
            "again with --overwrite"
        )
    codes = _fitting(condensation.codes, codes)
    optimizer = _nested(_fitting(_flat(condensation.optimizer_state), of_codes))
    refreshed = {int(label): positions for label, positions in parts.get("refreshed", {}).items()}
    prepared = parts.get("prepared", {}) if header.prepared else None
    remembered = {int(label): each for label, each in _nested(parts.get("remembered", {})).items()}
    condensation.restore(State(header.step, codes, optimizer, network, refreshed, prepared, remembered))


def _named(state: State) -> Iterator[tuple[str, Tensor]]:
    groups: dict[str, Tensors] = {
        "codes": state.codes,
        "optimizer": _flat(state.optimizer),
        "refreshed": {str(label): positions for label, positions in state.refreshed.items()},
        "prepared": state.prepared or {},
        "remembered": _flat({str(label): each for label, each in state.remembered.items()}),
    }
    if state.network is not None:
        groups["network_weights"] = state.network.weights
        groups["network_buffers"] = state.network.buffers
        groups["network_optimizer"] = _flat(state.network.optimizer)
        groups["network_companions"] = _flat(state.network.companions)
        groups["network_facts"] = state.network.facts
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            yield f"{group}.{name}", tensor.detach().cpu()


def _flat(nested: dict[str, Tensors]) -> Tensors:
    return {
        f"{outer}.{name}": tensor for outer, tensors in nested.items() for name, tensor in tensors.items()
    }


def _nested(flat: Tensors) -> dict[str, Tensors]:
    nested: dict[str, Tensors] = {}
    for name, tensor in flat.items():
        outer, _, inner = name.partition(".")
        nested.setdefault(outer, {})[inner] = tensor
    return nested


def _fitting(wanted: Tensors, found: Tensors) -> Tensors:
    """The tensors of a checkpoint in the order of those wanted; refuse others."""
    if {name: (each.shape, each.dtype) for name, each in wanted.items()} != {
        name: (each.shape, each.dtype) for name, each in found.items()
    }:
        raise InputError(
            "--resume: the checkpoint's tensors do not fit this pipeline; start again with --overwrite"
        )
    # A file sorts them by name; objectives add over weights in the network's order, and sums are rounded.
    return {name: found[name] for name in wanted}
