"""What a notebook shows of a synset."""

import numpy as np
import pytest
import torch
from torch import Tensor

from displayed import Displayed, displayed
from idc.condensation.loop import condense
from idc.spec import ImageSpec
from idc.stages.decoders.raw import Raw
from idc.synset import pictures
from idc.synset.synset import Synset
from small import small_pipeline


@pytest.fixture(scope="module")
def synset() -> Synset:
    return condense(small_pipeline(iterations=0), device="cpu").synset(seconds=61.27)


def of_images(images: Tensor, synset: Synset, **spec: object) -> Synset:
    """A synset of images (classes, images, channels, height, width) that are stored as they are.

    Args:
        images: of each class.
        synset: whose header it has otherwise.
        spec: fields of the image format.
    """
    classes, count, channels, height, width = images.shape
    fields: dict[str, object] = {
        "channels": channels,
        "height": height,
        "width": width,
        "classes": tuple(f"class {number}" for number in range(classes)),
        "mean": (0.5,) * channels,
        "std": (0.5,) * channels,
    }
    plan = {**synset.header.pipeline, "images_per_class": count, "decoder": {"type": "raw"}}
    header = synset.header.model_copy(
        update={
            "spec": ImageSpec.model_validate({**fields, **spec}),
            "pipeline": plan,
            "budget": images.numel(),
            "images": classes * count,
        }
    )
    return Synset(header, Raw(), {"images": images})


def pixels(shown: Displayed) -> list[list[np.ndarray]]:
    return [[np.asarray(each.picture) for each in row] for row in shown.images if row]


def test_each_class_is_a_row_of_its_images_pixel_by_pixel(synset: Synset) -> None:
    shown = displayed(synset)
    rows = pixels(shown)
    assert [len(row) for row in rows] == [8] * 10
    for label, row in enumerate(rows):
        expected = synset.images[synset.class_numbers == label][:, 0] * 255
        assert np.array_equal(np.stack(row), expected.round().byte().numpy())
    assert [names[0] for names, images in zip(shown.rows, shown.images, strict=True) if images] == [
        *synset.spec.classes
    ]


def test_colours_and_shapes_are_kept(synset: Synset) -> None:
    images = torch.rand(2, 3, 3, 9, 20)
    (first, *_), _ = pixels(displayed(of_images(images, synset)))
    assert np.array_equal(first, (images[0, 0] * 255).round().byte().permute(1, 2, 0).numpy())


def test_small_images_are_enlarged_on_the_screen_by_a_whole_factor(synset: Synset) -> None:
    for size, factor in ((8, 6), (28, 2), (48, 1), (64, 1)):
        shown = displayed(of_images(torch.rand(1, 1, 1, size // 2, size), synset))
        ((image,),) = [row for row in shown.images if row]
        assert (image.width, image.height) == (factor * size, factor * (size // 2))
        assert image.picture.size == (size, size // 2)
    assert shown.html.count("image-rendering:pixelated") == 1


def test_it_says_what_it_stores_and_how_it_was_made(synset: Synset) -> None:
    facts = dict(row for row in displayed(synset).rows if len(row) == 2 and row[1])
    assert facts == {
        "method": "idc",
        "dataset": "digits: 10 classes, images of 1x8x8",
        "stored": "1,280 numbers, 2 images per class",
        "decoded": "80 images, 8 per class, hard labels, by multiformation",
        "made in": "0 outer iterations, 61.3 s, on cpu",
    }


def test_what_is_not_known_is_left_out(synset: Synset) -> None:
    plan = {key: synset.header.pipeline[key] for key in ("method", "images_per_class", "decoder")}
    header = synset.header.model_copy(update={"pipeline": plan, "seconds": None, "computed": None})
    facts = dict(row for row in displayed(Synset(header, synset.decoder, synset.codes)).rows if row[1])
    assert facts["dataset"] == "10 classes, images of 1x8x8"
    assert facts["made in"] == "0 outer iterations"


def test_many_images_are_bounded_and_it_says_so(synset: Synset) -> None:
    shown = displayed(of_images(torch.rand(12, 30, 1, 4, 4), synset))
    assert [len(row) for row in shown.images if row] == [10] * 10
    assert "the first 10 of 30 images per class, the first 10 of 12 classes" in shown.text
    assert "Shown:" not in displayed(synset).text


def test_large_images_are_scaled_down_and_it_says_so(synset: Synset) -> None:
    shown = displayed(of_images(torch.rand(1, 1, 3, 112, 224), synset))
    ((image,),) = [row for row in shown.images if row]
    assert image.picture.size == (image.width, image.height) == (64, 32)
    assert "scaled down from 224x112 pixels" in shown.text


def test_spectrograms_have_low_frequencies_at_the_bottom(synset: Synset) -> None:
    images = torch.rand(2, 2, 1, 6, 5) * 7
    of_sound = of_images(images, synset, content="spectrogram", high=None)
    rows = pixels(displayed(of_sound))
    lowest = (images[0, 0, 0, 0] / images.max() * 255).round().byte().numpy()
    assert np.array_equal(rows[0][0][-1], lowest)
    for label, row in enumerate(rows):
        for ours, theirs in zip(row, pictures.decoded(of_sound, label), strict=True):
            assert np.array_equal(ours, np.asarray(theirs))


def test_text_is_escaped(synset: Synset) -> None:
    hostile = "\"><script>alert('1')</script>"
    named = of_images(torch.rand(1, 1, 1, 4, 4), synset, classes=(hostile,))
    plan = {**named.header.pipeline, "method": hostile, "dataset": {"type": hostile}}
    header = named.header.model_copy(update={"pipeline": plan})
    shown = displayed(Synset(header, Raw(), named.codes))
    assert "script" not in shown.names()
    # The title, the method, the dataset and the class.
    assert shown.text.count(hostile) == 4
    ((image,),) = [row for row in shown.images if row]
    assert image.alt == f"image 1 of {hostile}"


def test_soft_labels_are_mentioned(synset: Synset) -> None:
    images = torch.rand(2, 1, 1, 4, 4)
    soft = of_images(images, synset)
    header = soft.header.model_copy(update={"labels": "soft"})
    shown = displayed(Synset(header, Raw(labels="soft"), {"images": images, "logits": torch.zeros(2, 1, 2)}))
    assert "soft labels, by raw (labels=soft)" in shown.text
    assert [len(row) for row in shown.images if row] == [1, 1]
