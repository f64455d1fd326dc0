"""Mean and standard deviation of images that need not be in memory together."""

from dataclasses import dataclass

import torch
from torch import Tensor

from idc.shapes import Pixels

AT_A_TIME = 1000
"""Images that are looked at together."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of images for each channel, in the units of their value range."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, pixels: Pixels) -> "ChannelStatistics":
        """Those of all images of a tensor, without a float copy of it."""
        running = RunningStatistics()
        for some in pixels.split(AT_A_TIME):
            running.add(some)
        return cls(*running.result())


class RunningStatistics:
    """Takes images block by block: bytes exactly, by their histogram; floats in float64."""

    def __init__(self) -> None:
        self._histogram: Tensor | None = None
        self._moments: tuple[int, Tensor, Tensor] | None = None

    def add(self, pixels: Pixels) -> None:
        """Count some images."""
        channels = pixels.transpose(0, 1).flatten(1)
        if pixels.dtype == torch.uint8:
            counts = torch.stack([torch.bincount(channel, minlength=256) for channel in channels])
            self._histogram = counts if self._histogram is None else self._histogram + counts
            return
        values = channels.double()
        count, mean = values.shape[1], values.mean(1)
        squares = ((values - mean[:, None]) ** 2).sum(1)
        if self._moments is not None:
            # The moments of two samples together (Chan, Golub and LeVeque, 1979).
            before, its_mean, its_squares = self._moments
            both, apart = before + count, mean - its_mean
            squares = its_squares + squares + apart**2 * (before * count / both)
            mean, count = its_mean + apart * (count / both), both
        self._moments = count, mean, squares

    def result(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation for each channel, of bytes in 0…1."""
        if self._moments is not None:
            count, mean, squares = self._moments
            return tuple(mean.tolist()), tuple((squares / count).sqrt().tolist())
        assert self._histogram is not None, "nothing was counted"
        values = torch.arange(256, dtype=torch.float64) / 255
        shares = [counts.double() / counts.sum() for counts in self._histogram]
        means = [float((share * values).sum()) for share in shares]
        deviations = [
            float((share * (values - mean) ** 2).sum().sqrt())
            for share, mean in zip(shares, means, strict=True)
        ]
        return tuple(means), tuple(deviations)
