"""Checkpoints: all that a condensation resumes from, in one safetensors file."""

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
from idc.errors import InputError, Notice, first_line
from idc.files.atomic import replace_verified
from idc.files.tensorfile import FileHeader, read_header, write_tensors
from idc.seeding import Streams
from idc.shapes import Tensors
from idc.synset.codes import digest
from idc.synset.provenance import Computed, versions
from idc.table import Table


class NetworkFacts(Table):
    """What a network is beside its tensors."""

    address: tuple[str | int, ...]
    """Of its random streams."""
    batches: Annotated[int, Field(ge=0)]
    """Training batches seen."""


class CheckpointHeader(FileHeader):
    """What a checkpoint is beside its tensors."""

    key: ClassVar[str] = "idc.checkpoint"
    what: ClassVar[str] = "checkpoint"
    latest: ClassVar[int] = 2

    pipeline: dict[str, Any]
    """The resolved pipeline."""
    fingerprint: str
    """Of the training split."""
    test_fingerprint: str
    """Of the test split."""
    step: Annotated[int, Field(ge=0)]
    """Inner steps since the beginning."""
    network: NetworkFacts | None = None
    prepared: bool
    """Whether the objective was prepared."""
    seconds: Annotated[float, Field(ge=0)]
    """Wall-clock seconds of the condensation so far."""
    computed: Computed
    versions: dict[str, str]
    tensors: str
    """SHA-256 of all tensors."""


class Checkpoint(NamedTuple):
    """A checkpoint that was read and found whole."""

    header: CheckpointHeader
    tensors: Tensors


def save(path: Path, condensation: Condensation, seconds: float) -> None:
    """Write a checkpoint; the previous one stays in its place until this one is verified, and then beside it.

    Args:
        path: the file.
        condensation: between two steps.
        seconds: wall-clock seconds that it took so far.

    Raises:
        OSError: it cannot be written; what was there still is.
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
        and NetworkFacts(address=state.network.streams.address, batches=state.network.batches),
        prepared=state.prepared is not None,
        seconds=round(seconds, 3),
        versions=versions(),
        tensors=digest(tensors),
    )
    replace_verified(path, lambda file: write_tensors(file, tensors, header), read)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint and compare its tensors with their hash.

    Raises:
        InputError: it is not there, or is not whole.
    """
    header = read_header(path, CheckpointHeader).header
    try:
        tensors = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable checkpoint ({first_line(error)})") from None
    if digest(tensors) != header.tensors:
        raise InputError(f"{path}: damaged; its tensors are not those that were written")
    return Checkpoint(header, tensors)


def restore(checkpoint: Checkpoint, condensation: Condensation) -> None:
    """Let a condensation that has not begun resume from a checkpoint.

    Raises:
        InputError: it is of other data, or its tensors do not fit.
    """
    header, device = checkpoint.header, condensation.device
    now = condensation.data.train.fingerprint(), condensation.data.test.fingerprint()
    if (header.fingerprint, header.test_fingerprint) != now:
        which = "training" if header.fingerprint != now[0] else "test"
        raise InputError(
            f"--resume: the {which} data have changed since the run began (their fingerprint differs); "
            "restore them, or start again with --overwrite"
        )
    began = {**header.computed.model_dump(), **header.versions}
    changed = dict(differences(began, {**condensation.computed.model_dump(), **versions()}))
    if changed:
        which = ", ".join(f"{name} {before} then, {now} now" for name, (before, now) in changed.items())
        warnings.warn(f"resuming under other conditions, so that bits may differ: {which}", Notice, 2)
    if header.step > len(condensation):
        raise InputError(
            f"--resume: the checkpoint's step {header.step} is beyond the {len(condensation)} of this "
            "pipeline"
        )
    parts: dict[str, Tensors] = {}
    for name, tensor in checkpoint.tensors.items():
        part, _, rest = name.partition(".")
        # Positions that a sampler selected stay on the CPU.
        parts.setdefault(part, {})[rest] = tensor if part == "refreshed" else tensor.to(device, copy=True)
    codes, buffers = parts.get("codes", {}), parts.get("optimizer", {})
    network = None
    if header.network is not None:
        streams = Streams(condensation.pipeline.seed, header.network.address)
        network = condensation.pipeline.model.fresh(condensation.data.spec, streams, device)
        its = {key: parts.get(f"network_{key}", {}) for key in ("weights", "buffers", "velocity")}
        _refuse_others(network.weights, its["weights"])
        _refuse_others(network.buffers, its["buffers"])
        _refuse_others(network.velocity, its["velocity"])
        network = replace(network, batches=header.network.batches, **its)
    elif header.step % condensation.pipeline.inner_steps:
        raise InputError(
            f"--resume: the checkpoint has no network, which step {header.step} needs; it is damaged"
        )
    _refuse_others(condensation.codes, codes)
    _refuse_others(_flat(condensation.optimizer_state), buffers)
    optimizer = {
        buffer: {name: buffers[f"{buffer}.{name}"] for name in named}
        for buffer, named in condensation.optimizer_state.items()
    }
    refreshed = {int(label): positions for label, positions in parts.get("refreshed", {}).items()}
    prepared = parts.get("prepared", {}) if header.prepared else None
    condensation.restore(State(header.step, codes, optimizer, network, refreshed, prepared))


def _named(state: State) -> Iterator[tuple[str, Tensor]]:
    groups: dict[str, Tensors] = {
        "codes": state.codes,
        "optimizer": _flat(state.optimizer),
        "refreshed": {str(label): positions for label, positions in state.refreshed.items()},
        "prepared": state.prepared or {},
    }
    if state.network is not None:
        groups["network_weights"] = state.network.weights
        groups["network_buffers"] = state.network.buffers
        groups["network_velocity"] = state.network.velocity
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            yield f"{group}.{name}", tensor.detach().cpu().contiguous()


def _flat(nested: dict[str, Tensors]) -> Tensors:
    return {
        f"{outer}.{name}": tensor for outer, tensors in nested.items() for name, tensor in tensors.items()
    }


def _refuse_others(wanted: Tensors, found: Tensors) -> None:
    if {name: (each.shape, each.dtype) for name, each in wanted.items()} != {
        name: (each.shape, each.dtype) for name, each in found.items()
    }:
        raise InputError(
            "--resume: the checkpoint's tensors are not those of this pipeline; --overwrite starts again"
        )
