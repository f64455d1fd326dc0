"""Reading headers, and refusing files that are not synsets."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from idc.condensation.loop import condense
from idc.errors import InputError
from idc.files.atomic import write_atomically
from idc.synset import header as artifact
from idc.synset.header import Header
from idc.synset.synset import Synset
from small import small_pipeline


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "synset.safetensors"
    condense(small_pipeline(iterations=0), device="cpu").synset().save(path)
    return path


def test_the_header_says_what_the_synset_is(file: Path) -> None:
    found = artifact.read(file)
    assert found.header.format == 1
    assert found.header.pipeline == small_pipeline(iterations=0).table()
    assert found.header.spec.classes == tuple("0123456789")
    assert found.header.versions["torch"] == torch.__version__.split("+")[0]
    assert found.tensors["images"].shape == (10, 2, 1, 8, 8)
    assert found.tensors["images"].dtype == "F32"


@pytest.mark.parametrize("kept", [0, 5, 8, 100, -1, -1000])
def test_truncated_files_are_refused(file: Path, kept: int) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"not a readable safetensors file .*fetch it again"):
        artifact.read(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"PNG....." * 10, (2).to_bytes(8, "little") + b"[]", (7).to_bytes(8, "little") + b'{"a":1}'],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a readable safetensors file"):
        artifact.read(path)


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"model\.safetensors: not a synset.* 'idc'"):
        artifact.read(tmp_path / "model.safetensors")


def rewritten(file: Path, **changes: object) -> Path:
    header = {**json.loads(artifact.read(file).header.metadata()[Header.key]), **changes}
    save_file({"images": torch.zeros(2)}, file, {Header.key: json.dumps(header)})
    return file


def test_newer_formats_are_refused(file: Path) -> None:
    with pytest.raises(InputError, match=r"format 2\b.*\b1; upgrade idc-core"):
        artifact.read(rewritten(file, format=2))


def test_headers_are_validated(file: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)synset.*budget: -3"):
        artifact.read(rewritten(file, budget=-3))
    save_file({"images": torch.zeros(2)}, file, {Header.key: "{"})
    with pytest.raises(InputError, match="the header is not valid JSON"):
        artifact.read(file)


@pytest.mark.parametrize("lost", ["method", "images_per_class", "decoder"])
def test_a_header_without_what_decoding_needs_is_refused(file: Path, lost: str) -> None:
    pipeline = {key: value for key, value in artifact.read(file).header.pipeline.items() if key != lost}
    with pytest.raises(InputError, match=rf"pipeline: {lost} is missing .*; the file is damaged"):
        artifact.read(rewritten(file, pipeline=pipeline))


def altered(file: Path, find: bytes, put: bytes) -> Path:
    content = file.read_bytes()
    assert find in content
    assert len(find) == len(put)
    file.write_bytes(content.replace(find, put))
    return file


@pytest.mark.parametrize(
    ("find", "put"), [(b'"dtype":"F32"', b'"dtype":"Q32"'), (b"[10,2,1,8,8]", b"[10,2,1,8,9]")]
)
def test_tensors_that_the_library_refuses_are_refused(file: Path, find: bytes, put: bytes) -> None:
    with pytest.raises(
        InputError, match=r"damaged; the stored tensors .* header .*; copy or create it again"
    ):
        Synset.load(altered(file, find, put))


def test_metadata_that_is_no_text_is_refused(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {"idc": 5}}).encode()
    (tmp_path / "s").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match=r"metadata is not a table of .*; .*fetch it again"):
        artifact.read(tmp_path / "s")


def test_a_path_that_no_file_can_have_is_named() -> None:
    with pytest.raises(InputError, match="no such file; give a synset"):
        artifact.read(Path("x" * 5000))


def test_absent_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: no such file; give a synset"):
        artifact.read(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"synset\.safetensors: no such file"):
        artifact.read(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old")

    def fail(file: Path) -> None:
        file.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_written_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", lambda file: file.write_text("x"))
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


def with_header(path: Path, header: bytes) -> Path:
    """A file of safetensors' layout with a header and no tensors."""
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


# The shortest files that damaging thousands of them found (benchmarks/fuzz.py).
@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "its header is nested too deeply"),
        (b'{"__metadata__":{"idc":"' + b"[" * 100_000 + b'"}}', "the header is not valid JSON"),
        (b'{"__metadata__":{"idc":"' + b"9" * 5000 + b'"}}', "the header is not valid JSON"),
        (
            b'{"__metadata__":{"idc":"' + b"9" * 50 + b'"}}',
            "(?s)not a valid synset header.*9{50} is not a table$",
        ),
    ],
)
def test_headers_that_fuzzing_found(tmp_path: Path, header: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        artifact.read(with_header(tmp_path / "synset.safetensors", header))


def test_a_header_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = with_header(tmp_path / "synset.safetensors", b"{" + b" " * 16_000_001 + b"}")
    with pytest.raises(InputError, match=r"header .*16000003 bytes.* 16000000 "):
        artifact.read(path)


def test_numbers_of_images_are_compared_with_what_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "synset.safetensors"
    synset = condense(small_pipeline(iterations=0), device="cpu").synset()
    synset.save(path)
    header = artifact.read(path).header
    for change in ({"images_per_class": 10**9}, {"images_per_class": 0}):
        changed = header.model_copy(update={"pipeline": {**header.pipeline, **change}})
        save_file(synset.codes, path, changed.metadata())
        with pytest.raises(
            InputError, match=r"damaged; the header .*1,280 numbers for [\d,]+ .*images.*; copy or create"
        ):
            Synset.load(path)
