"""Access to stored tensors by class."""

import torch

from idc.errors import InputError
from idc.kinds import Decoder
from idc.shapes import Batch, ClassNumbers, Codes
from idc.spec import ImageSpec

SOFT_LABELS = "soft_labels"
"""Name of the logits (classes, images, classes) that a `Labeller` adds to the codes of a finished synset."""


def of_class(decoder: Decoder, codes: Codes, label: int) -> Codes:
    """One class's slices, and the shared tensors."""
    return {name: code if name in decoder.shared else code[label] for name, code in codes.items()}


def optimised(decoder: Decoder, codes: Codes) -> Codes:
    """The codes that are not fixed."""
    return {name: code for name, code in codes.items() if name not in decoder.fixed}


def labels_of_class(codes: Codes, label: int, images_per_class: int) -> ClassNumbers:
    """The label of each stored image of a class, on the codes' device."""
    device = next(iter(codes.values())).device
    return torch.full((images_per_class,), label, device=device)


def decode_class(decoder: Decoder, codes: Codes, label: int, images_per_class: int, spec: ImageSpec) -> Batch:
    """Training images of one class, in the dataset's value range.

    Raises:
        InputError: the decoder returned another number of labels than of images.
    """
    labels = labels_of_class(codes, label, images_per_class)
    batch = decoder.decode(of_class(decoder, codes, label), labels, spec)
    if len(batch.labels) != len(batch):
        raise InputError(
            f"decoder: {decoder.type!r} returned {len(batch)} images and {len(batch.labels)} labels for a "
            "class; its decode must return a label for each image"
        )
    return batch


def decode(decoder: Decoder, codes: Codes, images_per_class: int, spec: ImageSpec) -> Batch:
    """Training images of all classes, one class after another, with the soft labels that a labeller added."""
    batches = [
        decode_class(decoder, codes, label, images_per_class, spec) for label in range(len(spec.classes))
    ]
    labels = torch.cat([batch.labels for batch in batches])
    if SOFT_LABELS in codes:
        labels = codes[SOFT_LABELS].flatten(0, 1).softmax(1)
    return Batch(torch.cat([batch.images for batch in batches]), labels)


def budget(codes: Codes) -> int:
    """How many numbers are stored, including those of shared tensors."""
    return sum(code.numel() for code in codes.values())


def stored_bytes(codes: Codes) -> int:
    """How many bytes they take."""
    return sum(code.nbytes for code in codes.values())
