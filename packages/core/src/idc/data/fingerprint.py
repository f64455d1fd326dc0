"""SHA-256 of tensors, and of images and labels: splits with equal fingerprints have the same data."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from idc.shapes import Labels, Pixels


def as_bytes(tensor: Tensor) -> memoryview:
    """A tensor's bytes in row-major order."""
    return tensor.cpu().reshape(-1).contiguous().view(torch.uint8).numpy().data


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, shapes, dtypes and bytes."""
    result = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        result.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        result.update(as_bytes(tensor))
    return result.hexdigest()


class Fingerprint:
    """SHA-256 of a split, updated block by block."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, pixels: Pixels) -> None:
        """Add a block of images."""
        self._digest.update(as_bytes(pixels))

    def result(self, labels: Labels, shape: tuple[int, ...], dtype: torch.dtype) -> str:
        """The hash of all images added so far and their labels, shape and dtype.

        Args:
            labels: of the images.
            shape: of one image.
            dtype: of the images.
        """
        whole = self._digest.copy()
        whole.update(as_bytes(labels))
        whole.update(f"{shape} {dtype}".encode())
        return whole.hexdigest()
