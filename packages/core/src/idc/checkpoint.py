"""Checkpoints: all that a condensation goes on from, in one safetensors file."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from idc import artifact
from idc.codes import digest
from idc.engine import Condensation
from idc.errors import InputError, Notice, explain, first_line
from idc.network import Network
from idc.resuming import differences
from idc.seeding import Streams
from idc.stage import Table
from idc.state import State
from idc.tensorfile import read_header, replace_verified, write_tensors

FORMAT = 1
KEY = "idc.checkpoint"

Tensors = dict[str, Tensor]


class NetworkFacts(Table):
    """What a network is beside its tensors."""

    address: tuple[str | int, ...]
    """Of its random streams."""
    batches: Annotated[int, Field(ge=0)]
    """Training batches seen."""


class Facts(Table):
    """What a checkpoint is beside its tensors; JSON under the metadata key ``idc.checkpoint``."""

    format: Annotated[int, Field(ge=1)] = FORMAT
    pipeline: dict[str, Any]
    """The resolved pipeline."""
    fingerprint: str
    """Of the training split."""
    test_fingerprint: str
    """Of the test split."""
    step: Annotated[int, Field(ge=0)]
    """Sweeps made since the beginning."""
    network: NetworkFacts | None = None
    seconds: Annotated[float, Field(ge=0)]
    """That the condensation took so far."""
    computed: artifact.Computed
    versions: dict[str, str]
    tensors: str
    """SHA-256 of all tensors."""


class Checkpoint(NamedTuple):
    """A checkpoint that was read and found whole."""

    facts: Facts
    tensors: Tensors


def save(path: Path, condensation: Condensation, seconds: float) -> None:
    """Write a checkpoint; the one before stays in its place until this one is verified, and then beside it.

    Args:
        path: the file.
        condensation: between two steps.
        seconds: that it took so far.

    Raises:
        OSError: it cannot be written; what was there still is.
    """
    state = condensation.state
    tensors = _named(state)
    facts = Facts(
        pipeline=condensation.pipeline.table(),
        fingerprint=condensation.data.train.fingerprint(),
        test_fingerprint=condensation.data.test.fingerprint(),
        computed=condensation.computed,
        step=state.step,
        network=state.network
        and NetworkFacts(address=state.network.streams.address, batches=state.network.batches),
        seconds=round(seconds, 3),
        versions=artifact.versions(),
        tensors=digest(tensors),
    )
    metadata = {KEY: facts.model_dump_json(exclude_none=True)}
    replace_verified(path, lambda file: write_tensors(file, tensors, metadata), read)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint and compare its tensors with their hash.

    Raises:
        InputError: it is not there, or is not whole.
    """
    try:
        metadata, _ = read_header(path)
        written = json.loads(metadata[KEY])
        artifact.refuse_newer(path, "checkpoint", written, FORMAT)
        facts = Facts.model_validate(written)
        tensors = load_file(path)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except ValidationError as error:
        raise InputError(f"{path}: not a checkpoint\n{explain(error)}") from None
    except (OSError, ValueError, KeyError, RecursionError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable checkpoint ({first_line(error)})") from None
    if digest(tensors) != facts.tensors:
        raise InputError(f"{path}: damaged; its tensors are not those that were written")
    return Checkpoint(facts=facts, tensors=tensors)


def restore(checkpoint: Checkpoint, condensation: Condensation) -> None:
    """Let a condensation that has not begun go on from a checkpoint.

    Raises:
        InputError: it is of other data, or its tensors do not fit.
    """
    facts, device = checkpoint.facts, condensation.device
    now = condensation.data.train.fingerprint(), condensation.data.test.fingerprint()
    if (facts.fingerprint, facts.test_fingerprint) != now:
        which = "training" if facts.fingerprint != now[0] else "test"
        raise InputError(
            f"--resume: the {which} data are others than when the run began (their fingerprint differs); put "
            "the old ones back, or begin anew with --overwrite"
        )
    began = {**facts.computed.model_dump(), **facts.versions}
    changed = dict(differences(began, {**condensation.computed.model_dump(), **artifact.versions()}))
    if changed:
        which = ", ".join(f"{name} {before} then, {now} now" for name, (before, now) in changed.items())
        warnings.warn(f"going on otherwise than the run began, so that bits may differ: {which}", Notice, 2)
    if facts.step > len(condensation):
        raise InputError(
            f"--resume: the checkpoint's step {facts.step} is beyond the {len(condensation)} of this pipeline"
        )
    parts: dict[str, Tensors] = {}
    for name, tensor in checkpoint.tensors.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = tensor.to(device, copy=True)
    codes, velocity = parts.get("codes", {}), parts.get("velocity", {})
    network = None
    if facts.network is not None:
        streams = Streams(condensation.pipeline.seed, facts.network.address)
        network = Network.fresh(condensation.pipeline.model, condensation.data.spec, streams, device)
        its = {key: parts.get(f"network_{key}", {}) for key in ("weights", "buffers", "velocity")}
        _refuse_others(network.weights, its["weights"])
        _refuse_others(network.buffers, its["buffers"])
        _refuse_others(network.velocity, its["velocity"])
        network = replace(network, batches=facts.network.batches, **its)
    elif facts.step % condensation.pipeline.inner_steps:
        raise InputError(
            f"--resume: the checkpoint has no network, which step {facts.step} needs; it is damaged"
        )
    _refuse_others(condensation.codes, codes)
    _refuse_others(condensation.velocity, velocity)
    condensation.restore(State(facts.step, codes, velocity, network))


def _named(state: State) -> Tensors:
    groups = {"codes": state.codes, "velocity": state.velocity}
    if state.network is not None:
        groups["network_weights"] = state.network.weights
        groups["network_buffers"] = state.network.buffers
        groups["network_velocity"] = state.network.velocity
    return {
        f"{group}.{name}": tensor.detach().cpu().contiguous()
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }


def _refuse_others(wanted: Tensors, found: Tensors) -> None:
    if {name: (each.shape, each.dtype) for name, each in wanted.items()} != {
        name: (each.shape, each.dtype) for name, each in found.items()
    }:
        raise InputError(
            "--resume: the checkpoint's tensors are not those of this pipeline; --overwrite begins anew"
        )
