"""SHA-256 of images and labels: two splits with the same one hold the same data."""

import hashlib

import torch
from torch import Tensor

from idc.shapes import Labels, Pixels


def as_bytes(tensor: Tensor) -> memoryview:
    """A tensor's numbers in row-major order."""
    return tensor.cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data


class Fingerprint:
    """SHA-256 of a split whose images come block by block."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, pixels: Pixels) -> None:
        """Take in some images."""
        self._digest.update(as_bytes(pixels))

    def result(self, labels: Labels, shape: tuple[int, ...], dtype: torch.dtype) -> str:
        """The hash of all images so far and what else there is to a split.

        Args:
            labels: of the images.
            shape: of an image.
            dtype: of its numbers.
        """
        whole = self._digest.copy()
        whole.update(as_bytes(labels))
        whole.update(f"{shape} {dtype}".encode())
        return whole.hexdigest()
