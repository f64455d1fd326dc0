"""Checkpoints: the complete state of a condensation in one safetensors file."""

import warnings
from collections.abc import Iterator
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
from idc.network.packed import NetworkFacts, fitting, flat, nested, packed, unpacked
from idc.seeding import Streams
from idc.shapes import Tensors
from idc.synset.codes import optimised
from idc.synset.provenance import Computed, versions


class CheckpointHeader(FileHeader):
    """A checkpoint's contents besides its tensors."""

    key: ClassVar[str] = "idc.checkpoint"
    what: ClassVar[str] = "checkpoint"
    latest: ClassVar[int] = 4

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
    """`write` the state of a condensation, which may be divided over processes; all of them call it.

    Args:
        path: the file.
        condensation: between two steps.
        seconds: wall-clock seconds of the condensation so far.

    Raises:
        OSError: it cannot be written; an existing checkpoint is unchanged.
    """
    state = condensation.state()
    if state is not None:
        write(path, condensation, state, seconds)


def write(path: Path, condensation: Condensation, state: State, seconds: float) -> None:
    """Write a checkpoint and verify it before it replaces the previous one, which is kept.

    Args:
        path: the file.
        condensation: whose state it is.
        state: what `Condensation.state` returned.
        seconds: wall-clock seconds of the condensation so far.

    Raises:
        OSError: it cannot be written; an existing checkpoint is unchanged.
    """
    network = None if state.network is None else packed(state.network)
    tensors = dict(_named(state, {} if network is None else network[0]))
    header = CheckpointHeader(
        format=CheckpointHeader.latest,
        pipeline=condensation.pipeline.table(),
        fingerprint=condensation.data.train.fingerprint(),
        test_fingerprint=condensation.data.test.fingerprint(),
        computed=condensation.computed,
        step=state.step,
        network=network and network[1],
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
        parts.setdefault(part, {})[rest] = tensor
    network, group, plan = None, condensation.group_at(header.step), condensation.pipeline
    try:
        if header.network is not None:
            like = plan.model.fresh(group.real.spec, Streams(plan.seed), device)
            held = {name: each.to(device, copy=True) for name, each in parts.get("network", {}).items()}
            network = unpacked(held, header.network, like)
        codes = fitting(condensation.shapes(len(condensation.data.spec.classes)), parts.get("codes", {}))
        moving = optimised(plan.decoder, condensation.shapes(len(group.share.labels)))
        buffers, found = plan.optimizer.begin(moving), nested(parts.get("optimizer", {}))
        # There are none before a group's first step.
        if found.keys() != buffers.keys() and (found or header.step % max(len(group), 1)):
            raise ValueError("the optimizer has other buffers")
        optimizer = {name: fitting(buffers[name], each) for name, each in found.items()}
    except ValueError:
        raise InputError(
            "--resume: the checkpoint's tensors do not fit this pipeline; start again with --overwrite"
        ) from None
    if network is None and header.step % condensation.pipeline.inner_steps:
        raise InputError(
            f"--resume: the checkpoint is damaged: it has no network, which step {header.step} needs; start "
            "again with --overwrite"
        )
    refreshed = {int(label): positions for label, positions in parts.get("refreshed", {}).items()}
    prepared = parts.get("prepared", {}) if header.prepared else None
    remembered = {int(label): each for label, each in nested(parts.get("remembered", {})).items()}
    condensation.restore(State(header.step, codes, optimizer, network, refreshed, prepared, remembered))


def _named(state: State, network: Tensors) -> Iterator[tuple[str, Tensor]]:
    tables: dict[str, Tensors] = {
        "codes": state.codes,
        "optimizer": flat(state.optimizer),
        "refreshed": {str(label): positions for label, positions in state.refreshed.items()},
        "prepared": state.prepared or {},
        "remembered": flat({str(label): each for label, each in state.remembered.items()}),
        "network": network,
    }
    for name, tensor in flat(tables).items():
        yield name, tensor.detach().cpu()
