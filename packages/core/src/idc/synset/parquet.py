"""Decoded images as a Parquet file that the Hugging Face library ``datasets`` reads."""

from pathlib import Path
from typing import Any

from idc.errors import InputError
from idc.synset.pictures import picture
from idc.synset.synset import Synset


def write_parquet(synset: Synset, path: Path) -> None:
    """Write the decoded images with their labels.

    Columns: ``image``, PNGs of 8 bits, or ``values``, floats (channels, height, width) in the value range,
    where pictures cannot hold them; ``label``, the number of the class, with the classes' names; for soft
    labels also ``probabilities``, of each class.

    Raises:
        InputError: the library ``datasets`` is not installed.
    """
    try:
        from datasets import Array3D, ClassLabel, Dataset, Features, Image, List, Value
    except ImportError:
        raise InputError(
            "--to hugging-face: the library datasets is not installed; pip install 'idc-core[hugging-face]'"
        ) from None
    classes = list(synset.spec.classes)
    columns: dict[str, Any] = {"label": synset.class_numbers.tolist()}
    features: dict[str, Any] = {"label": ClassLabel(names=classes)}
    if synset.spec.fits_pictures:
        columns = {"image": [picture(synset, position) for position in range(len(synset))], **columns}
        features = {"image": Image(), **features}
    else:
        columns = {"values": synset.images.numpy(), **columns}
        features = {"values": Array3D(shape=synset.spec.shape, dtype="float32"), **features}
    if synset.labels.is_floating_point():
        columns["probabilities"] = synset.labels.tolist()
        features["probabilities"] = List(Value("float32"), length=len(classes))
    Dataset.from_dict(columns, features=Features(features)).to_parquet(path)
