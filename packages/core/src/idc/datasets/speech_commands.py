"""Spoken words as log spectrograms."""

from pathlib import Path
from typing import Annotated, Literal, final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from idc.data import RealData, from_values
from idc.errors import InputError
from idc.kinds import Dataset

FLOOR = 1e-3
"""Added to magnitudes before the logarithm, which makes its logarithm the lowest value."""


@final
class SpeechCommands(Dataset):
    """One-second recordings in ``<path>/<word>/*.wav``, as magnitudes over frequency and time.

    As IDC's code prepares mini Speech Commands: short-time Fourier transform, magnitude, bilinear resizing,
    logarithm. Of each word's files in the order of their names, every eighth is for testing.
    """

    type: Literal["speech-commands"] = "speech-commands"
    path: Path = Path("mini_speech_commands")
    """The folder with a folder for each word; relative to ``--data``."""
    rate: Annotated[int, Field(ge=1)] = 16_000
    """Samples per second that the files must have; as many are used, from the beginning, or zeros added."""
    window: Annotated[int, Field(ge=2)] = 255
    """Samples in a window of the Fourier transform (Hann)."""
    hop: Annotated[int, Field(ge=1)] = 128
    """Samples from one window to the next."""
    size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Frequencies and times of a spectrogram after resizing."""
    test_every: Annotated[int, Field(ge=2)] = 8
    """One file of so many is for testing, beginning with the first."""

    def load(self, root: Path) -> RealData:
        """Both splits, one channel: frequency upwards in index along the height, time along the width.

        Raises:
            InputError: the folder or a word's files are absent, or a file is not a readable wav.
        """
        folder = root / self.path
        words = sorted(each.name for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
        files = {word: sorted((folder / word).glob("*.wav")) for word in words}
        files = {word: found for word, found in files.items() if found}
        if not files:
            raise InputError(
                f"dataset.path: there are no {folder}/<word>/*.wav; sort the files into a folder for each "
                f"word, and name the folder that {self.path} is in with --data"
            )
        splits: dict[bool, tuple[list[Tensor], list[int]]] = {True: ([], []), False: ([], [])}
        for label, found in enumerate(files.values()):
            for position, file in enumerate(found):
                images, labels = splits[position % self.test_every == 0]
                images.append(self.spectrogram(self._samples(file)))
                labels.append(label)
        (test, test_labels), (train, train_labels) = splits[True], splits[False]
        if not train:
            raise InputError(f"dataset.path: {folder} has one file of each word; training needs more")
        return from_values(
            (torch.stack(train), torch.tensor(train_labels)),
            (torch.stack(test), torch.tensor(test_labels)),
            tuple(files),
            # As the spectrograms have it, to the bit.
            low=float(torch.tensor(FLOOR).log()),
        )

    def spectrogram(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "1 frequency time"]:
        """Log spectrogram of samples in -1…1."""
        transformed = torch.stft(
            samples,
            self.window,
            self.hop,
            window=torch.hann_window(self.window),
            return_complex=True,
        )
        resized = nn.functional.interpolate(
            transformed.abs()[None, None], size=(self.size, self.size), mode="bilinear", align_corners=False
        )
        return (resized[0] + FLOOR).log()

    def _samples(self, file: Path) -> Tensor:
        try:
            from scipy.io import wavfile
        except ImportError:
            raise InputError(
                "dataset: 'speech-commands' reads wavs with scipy, which is not installed; "
                "pip install 'idc-core[speech]'"
            ) from None
        try:
            rate, samples = wavfile.read(file)
        except (OSError, ValueError) as error:
            raise InputError(f"dataset.path: {file} is not a readable wav ({error})") from None
        if rate != self.rate:
            raise InputError(
                f"dataset.rate: {file} has {rate} samples per second, not {self.rate}; give its rate, or "
                "resample the files"
            )
        # Integers are whole numbers of 2^-15 or 2^-31; floats are as they should be.
        scale = 1.0 if np.issubdtype(samples.dtype, np.floating) else float(np.iinfo(samples.dtype).max) + 1
        mono = samples if samples.ndim == 1 else samples.mean(1)
        fitted = np.zeros(self.rate, dtype=np.float32)
        count = min(len(mono), self.rate)
        fitted[:count] = mono[:count] / scale
        return torch.from_numpy(fitted)
