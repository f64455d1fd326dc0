"""scikit-learn's digits."""

from pathlib import Path
from typing import Any

import torch

from idc.stages.datasets.digits import Digits
from idc.testing import check_dataset


def test_digits_are_split_by_position(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    data = Digits(size=8).load(tmp_path)
    source: Any = load_digits()
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert torch.cat([data.train.labels, data.test.labels]).tolist() == source["target"].tolist()
    last = torch.from_numpy(source["images"][-1]) / 16
    torch.testing.assert_close(data.test.images()[-1, 0].double(), last, rtol=0, atol=0.502 / 255)
    assert data.spec.classes == tuple("0123456789")


def test_digits_are_enlarged(tmp_path: Path) -> None:
    assert Digits().load(tmp_path).spec.shape == (1, 16, 16)
    check_dataset(Digits(), tmp_path)
