"""Turns a dataset into tensors: images are read once and cached for later runs."""

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
from idc.data.examples import ArrayExamples, RawDataset, Subset
from idc.data.fingerprint import as_bytes
from idc.data.reader import Reader, UnreadableImages
from idc.data.split import RealData, refuse_incomplete
from idc.data.statistics import BLOCK_SIZE, ChannelStatistics
from idc.data.subset import Selection, Wanted, select
from idc.errors import InputError, Notice, first_line, reason_of
from idc.files.tensorfile import read_header

FORMAT = 1
"""Version of the cached tensors; increase it when they change."""
MAX_BYTES_IN_MEMORY = 2_000_000_000
"""Images up to this size are kept in memory if they cannot be cached on disk."""
SPLITS = ("train", "test")
DTYPES = {torch.uint8: "U8", torch.float32: "F32"}


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Both splits as tensors."""

    pixels: tuple[Tensor, Tensor]
    labels: tuple[Tensor, Tensor]
    unreadable: UnreadableImages
    statistics: ChannelStatistics | None = None
    fingerprints: tuple[str | None, str | None] = (None, None)


def prepare(found: RawDataset, wanted: Wanted, progress: Callable[[float], None]) -> RealData:
    """Both splits of a dataset, as its table selects them.

    Images that are in memory in the right format are used directly; others are read, or taken from the cache.

    Args:
        found: all images of the dataset.
        wanted: the table's selection.
        progress: called now and then with the fraction of the images read, 0 to 1.

    Raises:
        InputError: images cannot be read or differ in shape, a split is incomplete, or there is not enough
            space for them.
    """
    chosen = select(found, wanted)
    refuse_incomplete(chosen.train.labels, chosen.test.labels, chosen.classes)
    if _is_ready(chosen.train, wanted) and _is_ready(chosen.test, wanted):
        prepared = _from_arrays(chosen)
    else:
        prepared = _cached_or_read(found.source, chosen, wanted, progress)
    _report_unreadable(prepared.unreadable, len(chosen.train) + len(chosen.test), wanted, warn=True)
    train, test = zip(prepared.pixels, prepared.labels, strict=True)
    return RealData.of(
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


def _report_unreadable(
    unreadable: UnreadableImages, count: int, wanted: Wanted, *, warn: bool = False
) -> None:
    if not unreadable.count:
        return
    others = "; …" if unreadable.count > len(unreadable.first) else ""
    which = (
        f"{unreadable.count:,} of {count:,} examples cannot be read: {'; '.join(unreadable.first)}{others}"
    )
    if wanted.on_error == "fail":
        raise InputError(f'dataset: {which}. Fix or remove them, or skip them with dataset.on_error = "skip"')
    if warn:
        warnings.warn(f"skipped: {which}", Notice, 2)


def _is_ready(subset: Subset, wanted: Wanted) -> bool:
    if not isinstance(subset.examples, ArrayExamples):
        return False
    example = subset.examples.pixels[0]
    # Identity, because a plugin may change values without changing the shape.
    return wanted.shaped(example) is example


def _from_arrays(chosen: Selection) -> _Prepared:
    unreadable, pixels, labels = UnreadableImages(), [], []
    for subset in (chosen.train, chosen.test):
        assert isinstance(subset.examples, ArrayExamples)
        source = subset.examples.pixels
        finite = _finite(source, subset.positions)
        for position in subset.positions[~finite].tolist():
            unreadable.add(subset.examples.name(position), "has NaN or infinite pixels")
        kept = subset.at(torch.nonzero(finite).flatten())
        everything = torch.equal(kept.positions, torch.arange(len(source)))
        pixels.append(source if everything else source.index_select(0, kept.positions))
        labels.append(kept.labels)
    if pixels[0].shape[1:] != pixels[1].shape[1:] or pixels[0].dtype != pixels[1].dtype:
        train, test = (f"{tuple(each.shape[1:])} {each.dtype}".replace("torch.", "") for each in pixels)
        raise InputError(
            f"dataset: training images are {train}, but test images are {test}; set dataset.size and "
            "dataset.channels to convert all images"
        )
    return _Prepared((pixels[0], pixels[1]), (labels[0], labels[1]), unreadable)


def _finite(pixels: Tensor, positions: Tensor) -> Tensor:
    if not pixels.is_floating_point():
        return torch.ones(len(positions), dtype=torch.bool)
    blocks = [
        pixels.index_select(0, block).flatten(1).isfinite().all(1) for block in positions.split(BLOCK_SIZE)
    ]
    return torch.cat(blocks)


def _cached_or_read(
    source: str, chosen: Selection, wanted: Wanted, progress: Callable[[float], None]
) -> _Prepared:
    key = _key(chosen, wanted)
    path = cache.path_of(key)
    if path.is_file():
        try:
            return _opened(path)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(f"{path} is damaged ({first_line(error)}); reading the images again", Notice, 2)
    reader = Reader(chosen.train, chosen.test, wanted)
    try:
        _write(key, source, reader, wanted, progress)
    except OSError as error:
        return _in_memory(Reader(chosen.train, chosen.test, wanted), progress, error)
    prepared = _opened(path)
    if reader.unreadable.transient:
        # The file is memory-mapped already; without it, the next run tries again to read the images.
        path.unlink(missing_ok=True)
    return prepared


def _key(chosen: Selection, wanted: Wanted) -> str:
    """A key that changes with the files, the labels, the table, and the code that reads them."""
    examples = type(chosen.train.examples)
    code = inspect.getsource(inspect.getmodule(examples) or examples)
    digest = hashlib.sha256(json.dumps([FORMAT, *wanted.read_by(), code]).encode())
    for subset in (chosen.train, chosen.test):
        digest.update(f"\n{len(subset)} labels\n".encode())
        digest.update(as_bytes(subset.labels))
        for line in subset.examples.identity(subset.positions.tolist()):
            digest.update(os.fsencode(f"{line}\n"))
    return digest.hexdigest()[:32]


def _write(key: str, source: str, reader: Reader, wanted: Wanted, progress: Callable[[float], None]) -> None:
    with cache.writing(key, 8 * len(reader)) as entry:
        checked = False
        for block in reader.blocks(progress):
            if not checked:
                _refuse_too_little_space(len(reader) * block[0].nbytes)
                checked = True
            entry.write(as_bytes(block))
        _report_unreadable(reader.unreadable, len(reader), wanted)
        dtype, size = DTYPES[reader.dtype], reader.dtype.itemsize * torch.Size(reader.shape).numel()
        labels = dict(zip(SPLITS, reader.labels, strict=True))
        entry.finish(
            {f"{name}.labels": ("I64", (len(each),), bytes(as_bytes(each))) for name, each in labels.items()},
            {
                f"{name}.pixels": (dtype, (len(each), *reader.shape), size * len(each))
                for name, each in labels.items()
            },
            cache.EntryHeader(
                type=wanted.type,
                source=source[-1000:],
                unreadable=asdict(reader.unreadable),
                mean=reader.statistics.mean,
                std=reader.statistics.std,
                fingerprints=reader.fingerprints,
            ),
        )


def _refuse_too_little_space(needed: int) -> None:
    free = cache.free()
    if needed > free:
        raise OSError(f"{needed / 1e9:.2g} GB are needed, but only {free / 1e9:.2g} GB are free")


def _opened(path: Path) -> _Prepared:
    header = read_header(path, cache.EntryHeader).header
    with safe_open(path, "pt") as entry:
        # Memory-mapped: pages are read from disk on use.
        train, test = (entry.get_tensor(f"{name}.pixels") for name in SPLITS)
        train_labels, test_labels = (entry.get_tensor(f"{name}.labels") for name in SPLITS)
    return _Prepared(
        (train, test),
        (train_labels, test_labels),
        UnreadableImages(**header.unreadable),
        ChannelStatistics(header.mean, header.std),
        header.fingerprints,
    )


def _in_memory(reader: Reader, progress: Callable[[float], None], error: OSError) -> _Prepared:
    problem = (
        f"the prepared images cannot be cached in {cache.folder()} ({reason_of(error)}); set another "
        f"folder with {cache.VARIABLE}, or empty this one with idc cache --empty"
    )
    blocks: list[Tensor] = []
    for block in reader.blocks(progress):
        if len(reader) * block[0].nbytes > MAX_BYTES_IN_MEMORY:
            raise InputError(f"dataset: {problem}") from error
        blocks.append(block)
    warnings.warn(f"{problem}; this run keeps them in memory", Notice, 2)
    labels = reader.labels
    train, test = torch.cat(blocks).split([len(each) for each in labels])
    return _Prepared((train, test), labels, reader.unreadable, reader.statistics, reader.fingerprints)
