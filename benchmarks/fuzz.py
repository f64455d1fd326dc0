"""Reads thousands of damaged files, and counts what is not a clear error of our own.

    uv run python benchmarks/fuzz.py | tee benchmarks/results/fuzz.txt

Synsets, pipeline files and checkpoints are changed at random: bytes flipped, cut, doubled, replaced; and in
headers and tables, values put in the place of others, of any kind and depth. Every reading must end within
ten seconds and a gigabyte of memory, with what was read or an error of ours. Ends with 1 if one did not.
"""

import argparse
import copy
import json
import os
import random
import resource
import signal
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tomli_w

from idc import condense
from idc.condensation import checkpoint
from idc.config.pipeline import Pipeline
from idc.errors import InputError
from idc.synset import header as artifact
from idc.synset.header import Header
from idc.synset.synset import Synset

SECONDS = 10
MEMORY = 1_000_000_000
TABLE: dict[str, Any] = {
    "method": "idc",
    "images_per_class": 1,
    "iterations": 1,
    "inner_steps": 2,
    "dataset": {"type": "digits", "size": 8, "limit": 10, "classes": ["1", "4"]},
    "model": {"type": "convnet", "depth": 1, "width": 2},
    "init": {"type": "mix"},
    "decoder": {"type": "multiformation", "factor": 2},
    "augment": [{"type": "dsa"}],
    "sampler": {"type": "epoch", "batch_size": 4},
    "objective": {"type": "gradient"},
    "networks": {"type": "real", "images": 10},
    "optimizer": {"learning_rate": 0.01},
    "baseline": [{"name": "random", "init": {"type": "random"}, "decoder": {"type": "raw"}}],
    "evaluate": [{"type": "retrain", "runs": 1, "epochs": 1}],
}
VALUES: list[Any] = [
    *(None, True, -1, 0, 1, 7, 10**6, 10**18, 2**63, -(2**63), 0.5, 1e300, "", "x", "raw", "\0", "🦆" * 50),
    *([], [[]], {}, {"type": "raw"}, [1, 2, 3], {"a": {"b": {}}}, [{}] * 50, "9" * 5000),
]


def bytes_changed(content: bytes, draw: random.Random) -> bytes:
    """Some bytes flipped, cut, doubled or replaced."""
    damaged = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(max(1, len(damaged)))
        kind, length = draw.randrange(6), draw.choice((1, 4, 8, 100))
        if kind == 0 and damaged:
            damaged[at] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del damaged[at:]
        elif kind == 2:
            del damaged[at : at + length]
        elif kind == 3:
            damaged[at:at] = damaged[at : at + length]
        elif kind == 4:
            damaged[at : at + length] = draw.randbytes(length)
        else:
            damaged[:8] = struct.pack(
                "<Q", draw.choice((0, 1, len(damaged), 2**31, 2**63, draw.randrange(10**4)))
            )
    return bytes(damaged)


def values_changed(table: Any, draw: random.Random) -> Any:
    """A copy of nested tables and lists with values, keys or lengths that are others."""
    changed = json.loads(json.dumps(table))
    for _ in range(draw.choice((1, 1, 2, 4))):
        place = changed
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw.choice(keys)
            below = place[key]
            if isinstance(below, dict | list) and below and draw.random() < 0.7:
                place = below
                continue
            kind = draw.randrange(4)
            if kind == 0:
                del place[key]
            elif kind == 1 and isinstance(place, dict):
                place[draw.choice(("type", "images", "x", "", f"{key}s"))] = place.pop(key)
            elif kind == 2:
                place[key] = nested(draw.choice((3, 50, 500, 20_000)), draw)
            else:
                place[key] = copy.deepcopy(draw.choice(VALUES))
            break
    return changed


def nested(depth: int, draw: random.Random) -> Any:
    """Lists or tables within each other."""
    value: Any = 1
    for _ in range(min(depth, 200)):
        value = [value] if draw.random() < 0.5 else {"a": value}
    return value


def header_changed(content: bytes, key: str, draw: random.Random) -> bytes:
    """The file with another header: of the format, or of ours within it."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    if draw.random() < 0.5:
        header = values_changed(header, draw)
    else:
        ours = values_changed(json.loads(header["__metadata__"][key]), draw)
        header["__metadata__"][key] = json.dumps(ours)
    if draw.random() < 0.02 and isinstance(header, dict):
        header["deep"] = "DEEP"
    text = json.dumps(header).replace('"DEEP"', "[" * 100_000 + "]" * 100_000).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def toml_changed(draw: random.Random) -> bytes:
    """A pipeline file that is another."""
    if draw.random() < 0.3:
        return bytes_changed(tomli_w.dumps(TABLE).encode(), draw)
    table = values_changed(TABLE, draw)
    if not isinstance(table, dict):
        table = {"x": table}
    try:
        return tomli_w.dumps(_without_none(table)).encode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps(table).encode()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_none(each) for key, each in value.items() if each is not None}
    return [_without_none(each) for each in value if each is not None] if isinstance(value, list) else value


def resident() -> int:
    """The largest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tried(
    name: str, count: int, change: Callable[[], bytes], read: Callable[[Path], object], file: Path
) -> int:
    """Read so many damaged files; returns how many did what they must not."""
    refused = understood = wrong = 0
    before = resident()
    kept = Path(tempfile.gettempdir())
    for _ in range(count):
        content = change()
        file.write_bytes(content)
        signal.alarm(SECONDS)
        try:
            read(file)
            understood += 1
        except InputError as error:
            refused += 1
            if not str(error).strip():
                wrong += 1
        except BaseException:
            wrong += 1
            example = kept / f"idc-fuzz-{name}-{wrong}{file.suffix}"
            example.write_bytes(content)
            if wrong <= 5:
                print(f"{example}:\n{traceback.format_exc()[-1500:]}", file=sys.stderr)
        finally:
            signal.alarm(0)
    more = resident() - before
    print(f"{name:<14}{count:>8}{refused:>9}{understood:>12}{wrong:>7}{more / 1e6:>10.0f} MB", flush=True)
    return wrong + (more > MEMORY)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifacts", type=int, default=10_000)
    parser.add_argument("--tomls", type=int, default=10_000)
    parser.add_argument("--checkpoints", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as work:
        condensation = condense(Pipeline.parse(TABLE), device="cpu")
        next(condensation)
        whole, state = Path(work) / "whole.safetensors", Path(work) / "state.safetensors"
        condensation.synset().save(whole)
        checkpoint.save(state, condensation, 1.0)
        synset, kept = whole.read_bytes(), state.read_bytes()

        def artifact_changed() -> bytes:
            return (
                bytes_changed(synset, draw)
                if draw.random() < 0.5
                else header_changed(synset, Header.key, draw)
            )

        def checkpoint_changed() -> bytes:
            return (
                bytes_changed(kept, draw)
                if draw.random() < 0.5
                else header_changed(kept, checkpoint.CheckpointHeader.key, draw)
            )

        def read_artifact(file: Path) -> None:
            artifact.read(file)
            Synset.load(file)

        def read_checkpoint(file: Path) -> None:
            checkpoint.restore(
                checkpoint.read(file), condense(Pipeline.parse(TABLE), condensation.data, device="cpu")
            )

        print(f"{'files':<14}{'tried':>8}{'refused':>9}{'understood':>12}{'wrong':>7}{'memory':>13}")
        wrong = tried(
            "artifacts", given.artifacts, artifact_changed, read_artifact, Path(work) / "a.safetensors"
        )
        wrong += tried(
            "pipelines", given.tomls, lambda: toml_changed(draw), Pipeline.load, Path(work) / "p.toml"
        )
        wrong += tried(
            "checkpoints",
            given.checkpoints,
            checkpoint_changed,
            read_checkpoint,
            Path(work) / "c.safetensors",
        )
    print(
        f"seed {given.seed}; wrong is whatever is not an error of ours within {SECONDS} s, or more than 1 GB"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
