"""Mean and standard deviation of images, computed block by block."""

from dataclasses import dataclass

import torch
from torch import Tensor

from idc.shapes import Pixels

BLOCK_SIZE = 1000
"""Images per block."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of each channel, in the units of the images' value range."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, pixels: Pixels) -> "ChannelStatistics":
        """Of all images of a tensor, without a float copy of it."""
        running = RunningStatistics()
        for block in pixels.split(BLOCK_SIZE):
            running.add(block)
        return cls(*running.result())


class RunningStatistics:
    """Updated block by block: exact for uint8, by a histogram; in float64 for floats."""

    def __init__(self) -> None:
        self._histogram: Tensor | None = None
        self._moments: tuple[int, Tensor, Tensor] | None = None

    def add(self, pixels: Pixels) -> None:
        """Add a block of images."""
        channels = pixels.transpose(0, 1).flatten(1)
        if pixels.dtype == torch.uint8:
            counts = torch.stack([torch.bincount(channel, minlength=256) for channel in channels])
            self._histogram = counts if self._histogram is None else self._histogram + counts
            return
        values = channels.double()
        count, mean = values.shape[1], values.mean(1)
        squares = ((values - mean[:, None]) ** 2).sum(1)
        if self._moments is not None:
            # Combined moments of two samples (Chan, Golub and LeVeque, 1979).
            count_before, mean_before, squares_before = self._moments
            total, difference = count_before + count, mean - mean_before
            squares = squares_before + squares + difference**2 * (count_before * count / total)
            mean, count = mean_before + difference * (count / total), total
        self._moments = count, mean, squares

    def result(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel; for uint8, of values in 0…1."""
        if self._moments is not None:
            count, mean, squares = self._moments
            return tuple(mean.tolist()), tuple((squares / count).sqrt().tolist())
        assert self._histogram is not None, "nothing was counted"
        values = torch.arange(256, dtype=torch.float64) / 255
        frequencies = [counts.double() / counts.sum() for counts in self._histogram]
        means = [float((frequency * values).sum()) for frequency in frequencies]
        deviations = [
            float((frequency * (values - mean) ** 2).sum().sqrt())
            for frequency, mean in zip(frequencies, means, strict=True)
        ]
        return tuple(means), tuple(deviations)
