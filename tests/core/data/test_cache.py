"""What was read is kept: found again, made anew when it must be, and never half there."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from dataset_files import write_folder
from idc.data import cache
from idc.errors import InputError, Notice
from idc.stages.datasets.image_folder import ImageFolder

from .toy_dataset import Made, Source, load, noise


def folder_data(root: Path, **table: object):
    """The pets below a folder."""
    return ImageFolder.model_validate({"path": "pets", "size": 8, **table}).load(root)


def test_what_was_read_is_not_read_again() -> None:
    source = Source.of(noise)
    first, again = (load(source) for _ in range(2))
    assert source.train.reads == 18  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(first.train.pixels, again.train.pixels)
    assert torch.equal(first.test.labels, again.test.labels)
    assert first.spec == again.spec
    assert first.train.fingerprint() == again.train.fingerprint()
    (entry,) = cache.entries()
    assert entry.header is not None
    assert (entry.header.type, entry.header.source) == ("toy", "the test")
    assert entry.size == entry.path.stat().st_size
    assert cache.empty() == entry.size
    assert cache.entries() == []


def test_a_fingerprint_that_was_kept_is_that_of_the_tensors() -> None:
    train = load(Source.of(noise)).train
    assert train.known_fingerprint is not None
    assert type(train)(train.pixels, train.labels, train.spec).fingerprint() == train.known_fingerprint


def test_pixels_are_mapped_not_read() -> None:
    data = load(Source.of(noise))
    (entry,) = cache.entries()
    assert str(entry.path) in Path("/proc/self/maps").read_text()
    entry.path.unlink()
    assert torch.equal(data.train.pixels[3], noise(3))


def test_whatever_is_read_otherwise_is_another_entry(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    for table in ({}, {"size": 9}, {"channels": 1}, {"classes": ["dog", "cat"]}, {"limit": 2}):
        folder_data(tmp_path, **table)
    assert len(cache.entries()) == 5
    # Only said of the images, not done to them.
    folder_data(tmp_path, mean=[0.5] * 3, std=[0.5] * 3)
    assert len(cache.entries()) == 5


def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    write_folder(tmp_path / "pets")
    before = folder_data(tmp_path).train.fingerprint()
    file = tmp_path / "pets" / "train" / "cat" / "0.png"
    file.write_bytes((tmp_path / "pets" / "train" / "dog" / "2.png").read_bytes())
    assert folder_data(tmp_path).train.fingerprint() != before
    (tmp_path / "pets" / "train" / "cat" / "1.png").unlink()
    assert len(folder_data(tmp_path).train) == 7


@pytest.mark.parametrize("damage", ["truncated", "emptied", "header"])
def test_a_damaged_entry_is_made_anew(damage: str) -> None:
    source = Source.of(noise)
    first = load(source).train.pixels.clone()
    (entry,) = cache.entries()
    content = entry.path.read_bytes()
    damaged = {"truncated": content[:-10], "emptied": b"", "header": b"\xff" * 20 + content[20:]}[damage]
    # Under another inode, because this process has the old one mapped.
    entry.path.unlink()
    entry.path.write_bytes(damaged)
    assert cache.entries()[0].header is None
    with pytest.warns(Notice, match=r"is damaged .*; reading the images again"):
        again = load(source)
    assert torch.equal(again.train.pixels, first)


def test_a_folder_that_cannot_be_written_costs_the_next_run_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not even root can make folders there.
    monkeypatch.setenv(cache.VARIABLE, "/proc/idc")
    with pytest.warns(Notice, match=r"/proc/idc \(.+\); .*IDC_CACHE.*idc cache --empty.*memory"):
        data = load(Source.of(noise))
    assert torch.equal(data.train.pixels[17], noise(17))
    assert torch.equal(data.test.pixels[17], noise(1017))
    assert data.train.fingerprint() == data.train._fingerprint


def test_large_data_need_a_folder_that_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, "/proc/idc")
    monkeypatch.setattr("idc.data.prepare.MAX_BYTES_IN_MEMORY", 1000)
    with pytest.raises(InputError, match=r"^dataset: .*/proc/idc \(.+\); .*IDC_CACHE.*idc cache --empty"):
        load(Source.of(noise))


def test_a_disk_without_room_is_seen_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "free", lambda: 5000)
    with pytest.warns(Notice, match=r"\(6\.9e-06 GB .*5e-06 GB .*\); .*IDC_CACHE"):
        load(Source.of(noise))
    assert cache.entries() == []


def test_a_disk_that_fills_up_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idc.data.prepare.MAX_BYTES_IN_MEMORY", 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses to let a file grow beyond this, as it does on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match=r"^dataset: .*\(File too large\); .*IDC_CACHE"):
            load(Source.of(noise, 400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(cache.folder().iterdir()) == []


@pytest.mark.slow
def test_a_killed_process_leaves_no_entry_and_its_rest_is_listed_and_removed() -> None:
    script = """
import time
from toy_dataset import Source, load, noise

def slow(position):
    if position > 400:
        print("reading", flush=True)
        time.sleep(60)
    return noise(position)

load(Source.of(slow, 400))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    # Twice in one line, where two threads have come that far.
    assert process.stdout.readline().startswith("reading")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (left,) = cache.entries()
    assert left.path.suffix == cache.PARTIAL
    assert left.header is None
    # It may be another process's that is still at work, until it is old.
    load(Source.of(noise))
    assert left.path.exists()
    yesterday = time.time() - 2 * cache.ABANDONED_AFTER
    os.utime(left.path, (yesterday, yesterday))
    load(Source.of(noise, 2))
    assert not left.path.exists()


@pytest.mark.slow
def test_preparing_takes_no_memory_of_the_size_of_the_data() -> None:
    script = """
from pathlib import Path
import torch
from toy_dataset import Source, load
from idc.data import split as data
from idc.data import prepare as preparing

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

image = torch.randint(0, 256, (3, 224, 224)).byte()
load(Source.of(lambda position: image, 20))
before = peak()
loaded = load(Source.of(lambda position: image, 700))
print(loaded.train.pixels.nbytes + loaded.test.pixels.nbytes, peak() - before)
"""
    outcome = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
    )
    size, growth = map(int, outcome.stdout.split())
    assert size > 600_000_000
    assert growth < 150_000_000


def test_files_that_are_not_ours_are_left_alone() -> None:
    load(Source.of(noise))
    folder = cache.folder()
    for name in ("model.safetensors", "notes.partial", "0" * 32 + ".txt"):
        (folder / name).write_text("precious")
    writing = folder / f"{'0' * 32}.abc.partial"
    writing.write_text("in the making")
    cache.empty()
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["model.safetensors", "notes.partial", "0" * 32 + ".txt", writing.name]
    )


def test_what_could_not_be_read_is_tried_again_once_it_can(tmp_path: Path) -> None:
    tries: list[int] = []

    def make(position: int) -> torch.Tensor:
        tries.append(position)
        if position == 3 and tries.count(3) == 1:
            raise PermissionError(13, "Permission denied")
        return noise(position)

    source = Source.of(make)
    with pytest.raises(InputError, match=r"1 of 36 examples cannot be read: number 3 \(.*Permission denied"):
        load(source)
    assert cache.entries() == []
    assert len(load(source).train) == 18


def test_what_the_system_refused_is_not_left_out_for_ever() -> None:
    refusing = [True]

    def make(position: int) -> torch.Tensor:
        if position == 3 and refusing[0]:
            raise PermissionError(13, "Permission denied")
        return noise(position)

    source = Source.of(make)
    with pytest.warns(Notice, match=r"skipped: 1 of 36 .*number 3 \(.*Permission denied"):
        assert len(load(source, on_error="skip").train) == 17
    refusing[0] = False
    assert len(load(source, on_error="skip").train) == 18


def test_other_positions_are_another_entry() -> None:
    labels = torch.zeros(200, dtype=torch.int64)
    labels[100:] = 1
    loaded = []
    for chosen in ([1, 112], [11, 12]):
        labels[chosen] = 2
        source = Source(Made(labels.clone(), noise), Made(labels.clone(), noise))
        loaded.append(load(source, classes=["owl", "cat"], limit=2).train.pixels)
        labels[chosen] = (torch.tensor(chosen) >= 100).long()
    assert not torch.equal(loaded[0], loaded[1])


def test_many_channels_have_room_in_the_header() -> None:
    data = load(Source.of(lambda position: noise(position).repeat(300, 1, 1)), size=4)
    assert data.spec.channels == 900
