"""Spoken words."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from dataset_files import write_speech
from idc.condensation.loop import condense
from idc.data.audio import Sounds, read_wav
from idc.errors import InputError
from idc.stages.datasets.speech_commands import FLOOR, SpeechCommands
from idc.synset import pictures
from small import small_pipeline


def test_speech_is_split_by_position_and_has_no_highest_value(tmp_path: Path) -> None:
    write_speech(tmp_path / "mini_speech_commands")
    data = SpeechCommands().load(tmp_path)
    assert (data.spec.shape, data.spec.classes) == ((1, 64, 64), ("no", "yes"))
    assert (data.spec.low, data.spec.high) == (pytest.approx(math.log(1e-3)), None)
    # The first and the ninth of each word's nine files.
    assert (data.train.labels.bincount().tolist(), data.test.labels.bincount().tolist()) == ([7, 7], [2, 2])
    assert data.train.pixels.min() >= data.spec.low


def test_a_tone_is_a_line_at_its_frequency() -> None:
    dataset = SpeechCommands()
    time = torch.arange(16_000) / 16_000
    spectrogram = dataset.spectrogram((2 * torch.pi * 3000 * time).sin())[0]
    # 128 frequencies up to 8 kHz are resized to 64, each 125 Hz wide: 3 kHz is at 24.
    assert set(spectrogram.argmax(0).tolist()) <= {23, 24}
    silence = dataset.spectrogram(torch.zeros(16_000))
    assert torch.allclose(silence, torch.tensor(FLOOR).log())


def test_speech_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^dataset\.path: there is no folder .*/mini_speech_commands; .*--data"
    ):
        SpeechCommands().load(tmp_path)
    write_speech(tmp_path / "slow", rate=8000)
    with pytest.raises(InputError, match=r"dataset\.rate: .*\.wav has 8000 samples per second, not 16000"):
        SpeechCommands(path=Path("slow")).load(tmp_path)
    assert SpeechCommands(path=Path("slow"), rate=8000).load(tmp_path).spec.shape == (1, 64, 64)
    (tmp_path / "slow" / "no" / "3.wav").write_bytes(b"RIFF, perhaps")
    with pytest.raises(InputError, match=r"1 of 18 examples cannot be read: .*3\.wav \("):
        SpeechCommands(path=Path("slow"), rate=8000).load(tmp_path)


def test_speech_condenses_in_time(tmp_path: Path) -> None:
    write_speech(tmp_path / "mini_speech_commands")
    pipeline = small_pipeline(
        dataset={"type": "speech-commands", "size": 16},
        decoder={"type": "multiformation", "factor": 2, "axis": "time", "padding": math.log(FLOOR)},
        augment=[],
        baseline=[],
        networks={"type": "real", "images": 10},
    )
    condensation = condense(pipeline, root=tmp_path, device="cpu")
    list(condensation)
    synset = condensation.synset()
    assert len(synset) == 2 * 2 * 2
    assert synset.images.min() >= synset.spec.low
    assert pictures.grid(synset).height == 2 * 66 + 2


def test_recordings_named_after_their_words(tmp_path: Path) -> None:
    write_speech(tmp_path / "words", rate=8000)
    named = tmp_path / "named"
    named.mkdir()
    for word in ("no", "yes"):
        for file in (tmp_path / "words" / word).iterdir():
            file.rename(named / f"{word}_ann_{file.name}")
    dataset = SpeechCommands(path=Path("named"), layout="names", rate=8000)
    data = dataset.load(tmp_path)
    assert data.spec.classes == ("no", "yes")
    assert (data.train.labels.bincount().tolist(), data.test.labels.bincount().tolist()) == ([4, 4], [5, 5])
    drawn = dataset.model_copy(update={"test_fraction": 0.3}).load(tmp_path)
    assert (len(drawn.train), len(drawn.test)) == (12, 6)
    with pytest.raises(InputError, match=r"^dataset\.path: .*/named .*folder.*set dataset\.layout = 'names'"):
        SpeechCommands(path=Path("named"), rate=8000).load(tmp_path)
    (named / "yes_ann_7.wav").rename(named / "yes.wav")
    with pytest.raises(InputError, match=r"yes\.wav is not named <word>_<speaker>_<take>\.wav"):
        dataset.load(tmp_path)


def test_a_spectrogram_is_drawn_with_low_frequencies_at_the_bottom(tmp_path: Path) -> None:
    write_speech(tmp_path / "mini_speech_commands")
    pipeline = small_pipeline(
        dataset={"type": "speech-commands"},
        decoder={"type": "raw"},
        augment=[],
        baseline=[],
        iterations=0,
        init={"type": "random"},
        evaluate=[],
        images_per_class=1,
    )
    synset = condense(pipeline, root=tmp_path, device="cpu").synset()
    assert synset.spec.content == "spectrogram"
    # 1 kHz and 2 kHz of 8 kHz, counted from the bottom.
    brightest = [int(image[0].mean(1).argmax()) for image in synset.images]
    picture = np.asarray(pictures.grid(synset))[:, :, 0]
    rows = [picture[2 + 66 * label : 66 * (label + 1), -66:-2].mean(1).argmax() for label in range(2)]
    assert [63 - row for row in rows] == brightest == [pytest.approx(8, abs=1), pytest.approx(16, abs=1)]


def test_a_spectrogram_sounds_like_what_it_was_made_of() -> None:
    dataset = SpeechCommands()
    time = torch.arange(16_000) / 16_000
    tone = 0.5 * (2 * torch.pi * 1500 * time).sin() * (time < 0.5)
    images = dataset.spectrogram(tone)[None]
    sounds = dataset.sounds(images)
    assert sounds.samples.shape == (1, 16_000)
    spectrum = torch.fft.rfft(sounds.samples[0, :8000]).abs()
    assert abs(int(spectrum.argmax()) * 2 - 1500) < 63
    assert sounds.samples[0, 8500:].abs().max() < 0.05 < sounds.samples[0, :7500].abs().max()
    again = dataset.spectrogram(sounds.samples[0])
    # In what is loud; silence is as silent as the floor.
    loud = images[0] > images.max() - 3
    assert (again - images[0])[loud].abs().mean() < 0.5


def test_every_format_of_wav_is_read(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(800) / 5)
    formats = {
        "u8": (tone * 128 + 128).round().astype(np.uint8),
        "i16": (tone * 32767).astype(np.int16),
        "i32": (tone * (2**31 - 1)).astype(np.int32),
        "f32": tone.astype(np.float32),
        "stereo": np.stack([tone, tone], 1).astype(np.float32),
    }
    for name, samples in formats.items():
        wavfile.write(tmp_path / f"{name}.wav", 8000, samples)
        rate, read = read_wav(tmp_path / f"{name}.wav")
        assert rate == 8000
        np.testing.assert_allclose(read.numpy(), tone, atol=0.01 if name == "u8" else 1e-4)


def test_sounds_are_written(tmp_path: Path) -> None:
    samples = torch.tensor([[0.0, 0.5, -0.5, 2.0]])
    Sounds(samples, 8000).save(0, tmp_path / "cat" / "0.wav")
    rate, read = wavfile.read(tmp_path / "cat" / "0.wav")
    assert (rate, read.tolist()) == (8000, [0, 16384, -16384, 32767])
