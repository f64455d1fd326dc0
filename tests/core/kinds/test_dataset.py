"""A dataset's table."""

from pathlib import Path

from idc.kinds import Dataset

TYPED_IN = """
from typing import Literal
import torch
from idc.kinds import ArrayExamples, Dataset, RawDataset

class Typed(Dataset):
    type: Literal["typed"] = "typed"

    def find(self, root, *, download):
        labels = torch.arange(8) % 2
        examples = ArrayExamples(torch.arange(8 * 3 * 4 * 4, dtype=torch.uint8).view(8, 3, 4, 4), labels)
        return RawDataset("typed in", ("even", "odd"), examples, examples)
"""


def test_a_dataset_typed_into_a_notebook_needs_no_source_file(tmp_path: Path) -> None:
    names: dict[str, type[Dataset]] = {}
    exec(TYPED_IN, names)
    assert len(names["Typed"]().load(tmp_path).train) == 8  # pyright: ignore[reportCallIssue]
