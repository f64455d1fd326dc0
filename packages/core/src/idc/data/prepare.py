"""From what a dataset has to tensors: images that must be read are read once and kept for later runs."""

import hashlib
import inspect
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from idc.data import cache
from idc.data.examples import ArrayExamples, Part, RawDataset
from idc.data.fingerprint import as_bytes
from idc.data.reader import Reading, Unreadable
from idc.data.split import RealData, from_tensors, refuse_lacking
from idc.data.statistics import AT_A_TIME, ChannelStatistics
from idc.data.subset import Selection, Wanted, select
from idc.errors import InputError, Notice, first_line
from idc.files.tensorfile import read_header

FORMAT = 1
"""Of what is kept; counted up when it becomes another."""
IN_MEMORY = 2_000_000_000
"""Bytes up to which images that cannot be kept on disk are kept in memory alone."""
SPLITS = ("train", "test")
DTYPES = {torch.uint8: "U8", torch.float32: "F32"}


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Both splits as tensors."""

    pixels: tuple[Tensor, Tensor]
    labels: tuple[Tensor, Tensor]
    unreadable: Unreadable
    statistics: ChannelStatistics | None = None
    fingerprints: tuple[str | None, str | None] = (None, None)


def prepare(found: RawDataset, wanted: Wanted, progress: Callable[[float], None]) -> RealData:
    """Both splits of a dataset, as its table asks for them.

    Images that are in memory in the right form are used as they are; others are read, or found in the cache.

    Args:
        found: what there is.
        wanted: what the table asks for.
        progress: called now and then with the share of the images read, 0 to 1.

    Raises:
        InputError: images cannot be read or differ in shape, a split lacks something, or there is no room.
    """
    chosen = select(found, wanted)
    refuse_lacking(chosen.train.labels, chosen.test.labels, chosen.classes)
    if _is_ready(chosen.train, wanted) and _is_ready(chosen.test, wanted):
        prepared = _as_they_are(chosen)
    else:
        prepared = _kept_or_read(found.source, chosen, wanted, progress)
    _judge(prepared.unreadable, len(chosen.train) + len(chosen.test), wanted, say=True)
    train, test = zip(prepared.pixels, prepared.labels, strict=True)
    return from_tensors(
        train,
        test,
        chosen.classes,
        wanted.mean,
        wanted.std,
        low=found.low,
        high=found.high,
        content=found.content,
        statistics=prepared.statistics,
        fingerprints=prepared.fingerprints,
    )


def _judge(unreadable: Unreadable, count: int, wanted: Wanted, *, say: bool = False) -> None:
    if not unreadable.count:
        return
    others = "; …" if unreadable.count > len(unreadable.first) else ""
    which = (
        f"{unreadable.count:,} of {count:,} examples cannot be read: {'; '.join(unreadable.first)}{others}"
    )
    if wanted.on_error == "fail":
        raise InputError(
            f'dataset: {which}. Mend or remove them, or leave them out with dataset.on_error = "skip"'
        )
    if say:
        warnings.warn(f"left out: {which}", Notice, 2)


def _is_ready(part: Part, wanted: Wanted) -> bool:
    if not isinstance(part.examples, ArrayExamples):
        return False
    example = part.examples.pixels[0]
    # The same object, because a plugin may change values alone.
    return wanted.shaped(example) is example


def _as_they_are(chosen: Selection) -> _Prepared:
    unreadable, pixels, labels = Unreadable(), [], []
    for part in (chosen.train, chosen.test):
        assert isinstance(part.examples, ArrayExamples)
        own = part.examples.pixels
        finite = _finite(own, part.positions)
        for position in part.positions[~finite].tolist():
            unreadable.add(part.examples.name(position), "has NaN or infinite pixels")
        kept = part.at(torch.nonzero(finite).flatten())
        everything = torch.equal(kept.positions, torch.arange(len(own)))
        pixels.append(own if everything else own.index_select(0, kept.positions))
        labels.append(kept.labels)
    if pixels[0].shape[1:] != pixels[1].shape[1:] or pixels[0].dtype != pixels[1].dtype:
        train, test = (f"{tuple(each.shape[1:])} {each.dtype}".replace("torch.", "") for each in pixels)
        raise InputError(
            f"dataset: training images are {train} and test images {test}; set dataset.size and "
            "dataset.channels, to which all are brought"
        )
    return _Prepared((pixels[0], pixels[1]), (labels[0], labels[1]), unreadable)


def _finite(pixels: Tensor, positions: Tensor) -> Tensor:
    if not pixels.is_floating_point():
        return torch.ones(len(positions), dtype=torch.bool)
    blocks = [
        pixels.index_select(0, some).flatten(1).isfinite().all(1) for some in positions.split(AT_A_TIME)
    ]
    return torch.cat(blocks)


def _kept_or_read(
    source: str, chosen: Selection, wanted: Wanted, progress: Callable[[float], None]
) -> _Prepared:
    key = _key(chosen, wanted)
    path = cache.path_of(key)
    if path.is_file():
        try:
            return _opened(path)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(f"{path} is damaged ({first_line(error)}); reading the images again", Notice, 2)
    reading = Reading(chosen.train, chosen.test, wanted)
    try:
        _write(key, source, reading, wanted, progress)
    except OSError as error:
        return _in_memory(Reading(chosen.train, chosen.test, wanted), progress, error)
    prepared = _opened(path)
    if reading.unreadable.transient:
        # Mapped already; the next run is to try again what the system refused this time.
        path.unlink(missing_ok=True)
    return prepared


def _key(chosen: Selection, wanted: Wanted) -> str:
    """A key that changes with the files, the labels, the table, and the version of what reads them."""
    examples = type(chosen.train.examples)
    code = inspect.getsource(inspect.getmodule(examples) or examples)
    digest = hashlib.sha256(json.dumps([FORMAT, *wanted.read_by(), code]).encode())
    for part in (chosen.train, chosen.test):
        digest.update(f"\n{len(part)} labels\n".encode())
        digest.update(as_bytes(part.labels))
        for line in part.examples.identity(part.positions.tolist()):
            digest.update(os.fsencode(f"{line}\n"))
    return digest.hexdigest()[:32]


def _write(
    key: str, source: str, reading: Reading, wanted: Wanted, progress: Callable[[float], None]
) -> None:
    with cache.writing(key, 8 * len(reading)) as entry:
        checked = False
        for block in reading.blocks(progress):
            if not checked:
                _refuse_too_little_room(len(reading) * block[0].nbytes)
                checked = True
            entry.write(as_bytes(block))
        _judge(reading.unreadable, len(reading), wanted)
        dtype, size = DTYPES[reading.dtype], reading.dtype.itemsize * torch.Size(reading.shape).numel()
        labels = dict(zip(SPLITS, reading.labels, strict=True))
        entry.finish(
            {f"{name}.labels": ("I64", (len(each),), bytes(as_bytes(each))) for name, each in labels.items()},
            {
                f"{name}.pixels": (dtype, (len(each), *reading.shape), size * len(each))
                for name, each in labels.items()
            },
            cache.EntryHeader(
                type=wanted.type,
                source=source[-1000:],
                unreadable=asdict(reading.unreadable),
                mean=reading.statistics.mean,
                std=reading.statistics.std,
                fingerprints=reading.fingerprints,
            ),
        )


def _refuse_too_little_room(needed: int) -> None:
    free = cache.free()
    if needed > free:
        raise OSError(f"{needed / 1e9:.2g} GB are needed, and {free / 1e9:.2g} GB are free")


def _opened(path: Path) -> _Prepared:
    header = read_header(path, cache.EntryHeader).header
    with safe_open(path, "pt") as entry:
        # Mapped, not read: pages come from the disk when they are used.
        train, test = (entry.get_tensor(f"{name}.pixels") for name in SPLITS)
        train_labels, test_labels = (entry.get_tensor(f"{name}.labels") for name in SPLITS)
    return _Prepared(
        (train, test),
        (train_labels, test_labels),
        Unreadable(**header.unreadable),
        ChannelStatistics(header.mean, header.std),
        header.fingerprints,
    )


def _in_memory(reading: Reading, progress: Callable[[float], None], error: OSError) -> _Prepared:
    trouble = (
        f"the prepared images cannot be kept in {cache.folder()} ({error.strerror or error}); name another "
        f"folder with {cache.VARIABLE}, or empty this one with idc cache --empty"
    )
    blocks: list[Tensor] = []
    for block in reading.blocks(progress):
        if len(reading) * block[0].nbytes > IN_MEMORY:
            raise InputError(f"dataset: {trouble}") from error
        blocks.append(block)
    warnings.warn(f"{trouble}; they are in memory for this run", Notice, 2)
    labels = reading.labels
    train, test = torch.cat(blocks).split([len(each) for each in labels])
    return _Prepared((train, test), labels, reading.unreadable, reading.statistics, reading.fingerprints)
