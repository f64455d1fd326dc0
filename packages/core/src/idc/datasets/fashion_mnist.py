"""Fashion-MNIST, from torchvision's files."""

from pathlib import Path
from typing import Literal, final

import torchvision

from idc.data import RealData, from_bytes
from idc.errors import InputError
from idc.kinds import Dataset


@final
class FashionMNIST(Dataset):
    """60,000 training and 10,000 test images of 28x28 pixels in 10 classes of clothing."""

    type: Literal["fashion-mnist"] = "fashion-mnist"
    mean: tuple[float] | None = None
    """For normalisation; computed from the training images by default."""
    std: tuple[float] | None = None

    def load(self, root: Path) -> RealData:
        """Both splits, one channel.

        Raises:
            InputError: the files are not below ``root``.
        """
        files = root / "FashionMNIST" / "raw"
        if not files.is_dir():
            raise InputError(
                f"dataset: there is no folder {files}; Fashion-MNIST is expected there as "
                "train-images-idx3-ubyte and its three companions. Name the folder above with --data"
            )
        try:
            train, test = (
                torchvision.datasets.FashionMNIST(str(root), train=train) for train in (True, False)
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise InputError(
                f"dataset: Fashion-MNIST is not readable in {files} ({error}); fetch it again"
            ) from None
        return from_bytes(
            (train.data[:, None], train.targets),
            (test.data[:, None], test.targets),
            tuple(train.classes),
            self.mean,
            self.std,
        )
