"""Recordings: reading and writing WAV files, and sound from magnitude spectrograms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from idc.errors import InputError
from idc.files.atomic import write_atomically

ITERATIONS = 64
"""Of phase reconstruction; more make no audible difference."""
MOMENTUM = 0.99
"""Of fast Griffin-Lim."""

Samples = Float[Tensor, "n samples"]
"""Recordings, in -1…1."""


@dataclass(frozen=True, eq=False)
class Sounds:
    """Recordings with a common sample rate."""

    samples: Samples
    rate: int
    """Samples per second."""

    def save(self, position: int, path: Path) -> None:
        """Write one as a 16-bit WAV file, atomically."""
        wavfile = _wavfile()
        sound = (self.samples[position].clamp(-1, 1) * 32767).round().to(torch.int16).numpy()
        write_atomically(path, lambda file: wavfile.write(file, self.rate, sound))


def read_wav(file: Path) -> tuple[int, Float[Tensor, " samples"]]:
    """A recording's sample rate, and its samples in -1…1; channels are averaged.

    Raises:
        InputError: scipy is not installed.
        ValueError: it is not a readable WAV file.
    """
    rate, samples = _wavfile().read(file)
    # 8-bit samples are unsigned with zero at 128, wider integers are signed, and floats are in -1…1 already.
    if samples.dtype == np.uint8:
        scaled = (samples.astype(np.float32) - 128) / 128
    elif np.issubdtype(samples.dtype, np.floating):
        scaled = samples.astype(np.float32)
    else:
        scaled = samples / np.float32(np.iinfo(samples.dtype).max + 1.0)
    mono = scaled if scaled.ndim == 1 else scaled.mean(1)
    return rate, torch.from_numpy(np.ascontiguousarray(mono, dtype=np.float32))


def with_phase(
    magnitudes: Float[Tensor, "n frequencies frames"], window: int, hop: int, length: int
) -> Samples:
    """Recordings whose short-time Fourier transform has approximately these magnitudes.

    Phases are reconstructed by the fast Griffin-Lim algorithm (Perraudin, Balazs and Søndergaard, 2013).
    Implemented here because the maintained libraries that support this torch require a compiler.

    Args:
        magnitudes: of a transform with a Hann window and centred frames.
        window: samples per window; there are ``window // 2 + 1`` frequencies.
        hop: samples from one window to the next.
        length: samples per recording.
    """
    hann = torch.hann_window(window)
    generator = torch.Generator().manual_seed(0)
    phase = torch.polar(
        torch.ones_like(magnitudes), 2 * torch.pi * torch.rand(magnitudes.shape, generator=generator)
    )
    before = torch.zeros_like(phase)
    for _ in range(ITERATIONS):
        samples = torch.istft(magnitudes * phase, window, hop, window=hann, length=length)
        rebuilt = torch.stft(samples, window, hop, window=hann, return_complex=True)
        pushed = rebuilt + MOMENTUM / (1 + MOMENTUM) * (rebuilt - before)
        phase, before = pushed / pushed.abs().clamp(min=1e-12), rebuilt
    return torch.istft(magnitudes * phase, window, hop, window=hann, length=length)


def _wavfile():
    try:
        from scipy.io import wavfile
    except ImportError:
        raise InputError(
            "dataset: WAV files need scipy, which is not installed; pip install 'idc-core[speech]'"
        ) from None
    return wavfile
