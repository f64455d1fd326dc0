"""Images and labels in .npz and .safetensors files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dataset_files import write_tensors
from idc.errors import InputError
from idc.stages.datasets.tensors import Tensors

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (8, 6, 5, 3), dtype=np.uint8)
LABELS = np.arange(8) % 2


def load(file: Path, **table: object) -> Any:
    """The data of a file whose images all are for both splits, unless the table says otherwise."""
    return Tensors.model_validate({"path": str(file), "test_fraction": 0.25, **table}).load(Path())


@pytest.mark.parametrize(
    "names", [("images", "labels"), ("train_images", "train_labels"), ("x_train", "y_train")]
)
def test_names_of_arrays(tmp_path: Path, names: tuple[str, str]) -> None:
    np.savez(tmp_path / "data.npz", **{names[0]: BYTES, names[1]: LABELS[:, None]})
    data = load(tmp_path / "data.npz")
    assert data.spec.shape == (3, 6, 5)
    assert data.spec.classes == ("0", "1")
    assert (len(data.train), len(data.test)) == (6, 2)


def test_the_test_split_of_the_same_file_and_of_another(tmp_path: Path) -> None:
    write_tensors(tmp_path / "data.npz")
    data = Tensors(path=Path("data.npz"), names=("circle", "square")).load(tmp_path)
    assert (len(data.train), len(data.test)) == (8, 4)
    assert data.spec.classes == ("circle", "square")
    assert data.train.pixels[0, :, 2, 1].tolist() == BYTES[0, 2, 1].tolist()
    np.savez(tmp_path / "more.npz", images=BYTES[:2], labels=LABELS[:2])
    assert len(Tensors(path=Path("data.npz"), test=Path("more.npz")).load(tmp_path).test) == 2


def test_a_safetensors_file_is_mapped(tmp_path: Path) -> None:
    images = torch.rand(8, 1, 4, 6, generator=torch.Generator().manual_seed(0))
    tensors = {"images": images, "labels": torch.arange(8) % 2}
    save_file(
        {**tensors, **{f"test_{name}": tensor.clone() for name, tensor in tensors.items()}},
        tmp_path / "d.safetensors",
    )
    data = Tensors(path=Path("d.safetensors")).load(tmp_path)
    assert torch.equal(data.train.images(), images)
    assert str(tmp_path / "d.safetensors") in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_keep_their_range(tmp_path: Path, dtype: str) -> None:
    images = (BYTES.astype(np.float64) / 128 - 1).astype(dtype)
    np.savez(tmp_path / "data.npz", images=images, labels=LABELS)
    with pytest.raises(
        InputError,
        match=r"^dataset\.path: .*images .*-1 to 0\.99\d*; .*0 to 1.*dataset\.low and dataset\.high",
    ):
        load(tmp_path / "data.npz")
    spec = load(tmp_path / "data.npz", low=-1, high=1).spec
    assert (spec.low, spec.high) == (-1, 1)
    assert load(tmp_path / "data.npz", low=-1, high=1, size=4).spec.shape == (3, 4, 4)


@pytest.mark.parametrize(
    ("arrays", "table", "message"),
    [
        ({"pictures": BYTES, "labels": LABELS}, {}, r"arrays pictures, labels; .*images and labels"),
        (
            {"images": BYTES, "labels": LABELS[:5]},
            {},
            r"images has 8 images.*labels.* 5 .*one label per image",
        ),
        ({"images": BYTES.astype(np.int32), "labels": LABELS}, {}, r"images .*int32; .*uint8 or floats"),
        ({"images": BYTES, "labels": LABELS + 0.5}, {}, r"labels .*float64 .*\(8,\); .*whole numbers"),
        ({"images": BYTES, "labels": np.eye(8, 3)}, {}, r"labels .*float64 .*\(8, 3\); .*one per image"),
        ({"images": BYTES, "labels": LABELS - 1}, {}, r"image 0 .*label -1, .*3 others .*0 to 0"),
        (
            {"images": BYTES, "labels": LABELS},
            {"names": ["a"]},
            r"image 1 has the label 1.*allowed are 0 to 0",
        ),
        (
            {"images": BYTES[..., :2], "labels": LABELS},
            {},
            r"\(8, 6, 5, 2\).*channel axis.*dataset\.axes to \"nchw\" or \"nhwc\"",
        ),
        (
            {"images": BYTES.reshape(8, 90), "labels": LABELS},
            {},
            r"images .*\(8, 90\); .*\(n, height, width\)",
        ),
        ({"images": np.array([{}] * 8), "labels": LABELS}, {}, r"allow_pickle"),
        ({"images": BYTES, "labels": LABELS * 2}, {}, r"class '1' has no training images"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, arrays: dict[str, Any], table: dict[str, object], message: str
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load(tmp_path / "data.npz", **table)


def test_axes_may_be_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=BYTES[..., :2], labels=LABELS)
    assert load(tmp_path / "data.npz", axes="nhwc").spec.shape == (2, 6, 5)


@pytest.mark.parametrize("name", ["data.npz", "data.safetensors", "data.csv", "nothing.npz"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.npz").write_bytes(b"PK\x03\x04 perhaps")
    (tmp_path / "data.safetensors").write_bytes(b"\x10" * 30)
    (tmp_path / "data.csv").write_text("0,1")
    message = {"data.csv": "must end in", "nothing.npz": "there is no file"}.get(name, "cannot be read")
    with pytest.raises(InputError, match=message):
        load(tmp_path / name)


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "whole.npz", images=BYTES, labels=LABELS)
    content = bytearray((tmp_path / "whole.npz").read_bytes())
    for position in range(30, len(content), 23):
        content[position] ^= 255
        (tmp_path / "data.npz").write_bytes(content)
        content[position] ^= 255
        try:
            load(tmp_path / "data.npz")
        except InputError:
            continue
    np.save(tmp_path / "one.npy", BYTES)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    np.savez(tmp_path / "none.npz", images=np.zeros((0, 4, 4)), labels=np.zeros(0, dtype=int))
    for name, message in (("one.npz", "cannot be read"), ("none.npz", "there are no images")):
        with pytest.raises(InputError, match=message):
            load(tmp_path / name)
