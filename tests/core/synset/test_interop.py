"""Files of other codes are read, and nothing in them is executed."""

from pathlib import Path
from typing import Any

import pytest
import torch

from idc.errors import InputError
from idc.synset.interop import read_public

IMAGES = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10).repeat(2)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Evil:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path("executed").touch, ()


@pytest.mark.parametrize(
    "content",
    [
        [IMAGES, Evil()],
        {"data": [[IMAGES, LABELS]], "extra": Evil()},
        Evil(),
    ],
)
def test_nothing_is_executed(content: Any) -> None:
    torch.save(content, "evil.pt")
    with pytest.raises(InputError, match=r"evil\.pt: not .*only tensors and numbers .*execute code"):
        read_public(Path("evil.pt"))
    assert not Path("executed").exists()


def test_files_that_are_none_are_refused() -> None:
    for content in (b"", b"PK\x03\x04", b"\x80\x02.", b"hello"):
        Path("some.pt").write_bytes(content)
        with pytest.raises(InputError, match=r"some\.pt: not .*only tensors and numbers"):
            read_public(Path("some.pt"))
    with pytest.raises(InputError, match="no such file"):
        read_public(Path("nothing.pt"))
