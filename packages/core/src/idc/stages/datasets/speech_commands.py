"""Spoken words, as log spectrograms."""

from pathlib import Path
from typing import Annotated, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from idc.data.audio import Sounds, read_wav, with_phase
from idc.kinds import Dataset, Example, FileExamples, Images, InputError, RawDataset
from idc.stages.datasets.folders import files_by_class, readable

FLOOR = 1e-3
"""Added to magnitudes before the logarithm; log(FLOOR) is the lowest value of a spectrogram."""

Files = dict[str, list[Path]]
"""By word."""


@final
class SpeechCommands(Dataset):
    """Log spectrograms of recorded words.

    Prepared like mini Speech Commands in IDC's code: short-time Fourier transform, magnitude, bilinear
    resizing, logarithm.
    """

    type: Literal["speech-commands"] = "speech-commands"
    path: Path = Path("mini_speech_commands")
    """Folder of the recordings; relative to ``--data``."""
    layout: Literal["folders", "names"] = "folders"
    """``folders``: ``<path>/<word>/*.wav``. ``names``: ``<path>/<word>_<speaker>_<take>.wav``, as in the Free
    Spoken Digit Dataset."""
    rate: Annotated[int, Field(ge=1)] = 16_000
    """Sample rate of the files, in samples per second."""
    seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Duration: longer recordings are cut, shorter ones padded with silence."""
    window: Annotated[int, Field(ge=2)] = 255
    """Window length of the Fourier transform (Hann), in samples."""
    hop: Annotated[int, Field(ge=1)] = 128
    """Samples from one window to the next."""
    size: Annotated[int, Field(ge=1, le=4096)] = 64
    """Height and width of a spectrogram after resizing."""
    test_every: Annotated[int, Field(ge=2)] = 8
    """With layout ``folders``, every n-th file of a word, beginning with the first by name, is for testing;
    ignored if `test_fraction` is set."""
    test_takes: Annotated[int, Field(ge=1)] = 5
    """With layout ``names``, takes below this number are for testing; ignored if `test_fraction` is set."""

    @property
    def samples(self) -> int:
        """Number of samples used of a recording."""
        return round(self.rate * self.seconds)

    def find(self, root: Path, *, download: bool) -> RawDataset:
        """The files of both splits.

        Raises:
            InputError: there is no such folder, a word has no files, or a file name does not fit the layout.
        """
        folder = root / self.path
        if not folder.is_dir():
            raise InputError(f"dataset.path: there is no folder {folder}; pass its parent with --data")
        split = self._by_folder(folder) if self.layout == "folders" else self._by_name(folder)
        training, test = split
        if self.test_fraction is not None:
            training, test = {word: sorted(training[word] + test[word]) for word in training}, None
        return RawDataset(
            source=str(folder),
            classes=tuple(training),
            train=FileExamples.by_class(training, self._decoded),
            test=None if test is None else FileExamples.by_class(test, self._decoded),
            # In float32, to equal the spectrograms' lowest value exactly.
            low=float(torch.tensor(FLOOR).log()),
            high=None,
            content="spectrogram",
        )

    def _by_folder(self, folder: Path) -> tuple[Files, Files]:
        if any(folder.glob("*.wav")) and not any(each.is_dir() for each in folder.iterdir()):
            raise InputError(
                f"dataset.path: the WAV files in {folder} are not in one folder per word; move them into "
                "such folders or, if they are named <word>_<speaker>_<take>.wav, set dataset.layout = 'names'"
            )
        files = files_by_class(folder, (".wav",), self.classes, "wav")
        test = {word: found[:: self.test_every] for word, found in files.items()}
        training = {
            word: [file for position, file in enumerate(found) if position % self.test_every]
            for word, found in files.items()
        }
        return training, test

    def _by_name(self, folder: Path) -> tuple[Files, Files]:
        training: Files = {}
        test: Files = {}
        for file in sorted(folder.glob("*.wav")):
            word, _, rest = readable(file.stem).partition("_")
            take = rest.rpartition("_")[2]
            if not take.isdecimal():
                raise InputError(
                    f"dataset.path: {file} is not named <word>_<speaker>_<take>.wav, where take is a number; "
                    "rename or remove it, or sort the files into folders (dataset.layout = 'folders')"
                )
            for split in (training, test):
                split.setdefault(word, [])
            (test if int(take) < self.test_takes else training)[word].append(file)
        if not training:
            raise InputError(
                f"dataset.path: there are no WAV files in {folder}; expected <word>_<speaker>_<take>.wav"
            )
        return training, test

    def _decoded(self, file: Path) -> Example:
        rate, samples = read_wav(file)
        if rate != self.rate:
            raise InputError(
                f"dataset.rate: {file} has {rate} samples per second, not {self.rate}; set dataset.rate = "
                f"{rate}, or resample the files"
            )
        fitted = torch.zeros(self.samples)
        fitted[: len(samples)] = samples[: self.samples]
        return self.spectrogram(fitted)

    def spectrogram(self, samples: Float[Tensor, " samples"]) -> Float[Tensor, "1 frequency time"]:
        """Log spectrogram of samples in -1…1, lowest frequency first."""
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

    def sounds(self, images: Images) -> Sounds:
        """Approximate sound of spectrograms; phases are reconstructed.

        Raises:
            InputError: windows do not overlap.
        """
        if self.hop > (self.window + 1) // 2:
            raise InputError(
                f"dataset.hop: {self.hop} is more than half of the window, {self.window}; sounds need "
                f"windows that overlap by half, so set it to at most {(self.window + 1) // 2}"
            )
        magnitudes = nn.functional.interpolate(
            (images.exp() - FLOOR).clamp(min=0),
            size=(self.window // 2 + 1, (self.samples - self.window % 2) // self.hop + 1),
            mode="bilinear",
            align_corners=False,
        )
        return Sounds(with_phase(magnitudes[:, 0], self.window, self.hop, self.samples), self.rate)
