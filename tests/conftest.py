"""What every test runs under."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _two_threads() -> None:
    # Some tests compare bits, and torch sums in another order with another number of threads.
    torch.set_num_threads(2)
